"""A program of several processes: which recordings are of it, and all of them as one.

Each recording says what program its process was of (`Recording.program`). Those of one program
lie in one folder, or, where nobody keeps them, those of children in one that `fournil run` names.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from fournil.errors import RecordingError
from fournil.observe.recording.live import load
from fournil.observe.recording.model import BlockedStep, Recording, Thread
from fournil.observe.recording.unseen import Unseen
from fournil.record import programs


@dataclass(frozen=True, slots=True)
class Program:
    """The recordings of one program.

    Attributes:
        recordings: the first process's first, then in the order in which they began.
        unseen: the command lines of processes that were not seen.
    """

    recordings: Sequence[Recording]
    unseen: Sequence[tuple[str, ...]] = ()


def load_program(path: str, folder: str | None = None, mine: Sequence[str] = ()) -> Program:
    """Return the program that the recording at `path` is of.

    Args:
        path: the recording of any of its processes.
        folder: where else its recordings, and notes of what was not seen, may be.
        mine: packages that count as the user's own, besides those that the recordings name.

    Raises:
        RecordingError: there is no such recording, or it cannot be read.
    """
    own = load(path, mine=mine)
    if not own.program:
        return Program([own])
    found = [own]
    folders = dict.fromkeys([os.path.dirname(os.path.abspath(path)), folder or ""])
    for other in _others(path, own.program, filter(None, folders)):
        # One that ends, or is made, just now may be incomplete.
        with contextlib.suppress(RecordingError):
            found.append(load(other, own.clock, mine))
    found.sort(key=lambda one: (one.meta.parent is not None, one.started_unix_s))
    return Program(found, [*_notes(folder)] if folder else ())


def _others(path: str, program: int, folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        with contextlib.suppress(OSError):
            for found in programs.recordings(folder, program):
                with contextlib.suppress(OSError):
                    if not os.path.samefile(found.path, path):
                        yield found.path


def _notes(folder: str) -> Iterator[tuple[str, ...]]:
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                if name.endswith(programs.NOTE):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        yield tuple(map(str, json.load(file)["argv"]))


def as_one(recordings: Sequence[Recording]) -> Recording:
    """Return a recording with the loops and the blocked steps of all, named by the first.

    What a subject means is known to each alone: of this one, none is to be asked.
    """
    first = recordings[0]
    threads: dict[int, Thread] = {}
    blocked: list[BlockedStep] = []
    gil_waits: list[BlockedStep] = []
    for recording in recordings:
        later_s = recording.started_unix_s - first.started_unix_s
        places = {}
        for thread in recording.threads.values():
            places[thread.index] = len(threads)
            threads[len(threads)] = replace(thread, index=len(threads))
        for steps, of in ((blocked, recording.blocked), (gil_waits, recording.gil_waits)):
            steps += [
                replace(step, thread=places.get(step.thread, 0), begin_s=step.begin_s + later_s)
                for step in of
            ]
    ran_loops = any(recording.loops for recording in recordings)
    return replace(
        first,
        run_s=max(
            recording.run_s + recording.started_unix_s - first.started_unix_s
            for recording in recordings
        ),
        alive=any(recording.alive for recording in recordings),
        threads=threads,
        blocked=tuple(sorted(blocked, key=lambda step: step.begin_s)),
        gil_waits=tuple(sorted(gil_waits, key=lambda step: step.begin_s)),
        tasks_born=sum(recording.tasks_born for recording in recordings),
        pools=[pool for recording in recordings for pool in recording.pools],
        other_loops=any(recording.other_loops for recording in recordings),
        script=None if ran_loops else first.script,
        looks=sum(recording.looks for recording in recordings if recording.loops or not ran_loops),
        unseen=_sum_of(recordings),
    )


def _sum_of(recordings: Sequence[Recording]) -> Unseen:
    """Return what several recordings could not hold; what is no count is the first that is."""
    parts = [recording.unseen for recording in recordings]
    sums = {}
    for field in fields(Unseen):
        values = [getattr(part, field.name) for part in parts]
        is_count = field.name not in {"signal_lost", "watch_error"}
        sums[field.name] = sum(values) if is_count else next(filter(None, values), 0)
    # Each counts its own forked children, also those that were recorded.
    recorded = sum(recording.meta.is_forked for recording in recordings)
    sums["forks"] = max(0, sums["forks"] - recorded)
    return Unseen(**sums)
