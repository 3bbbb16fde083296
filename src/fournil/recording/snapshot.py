"""A recording as it was when it was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from fournil.observe.recording import events, model, tasks
from fournil.record import kinds
from fournil.record.kinds import Kind
from fournil.recording.parts import (
    BlockedStep,
    Call,
    Headroom,
    Lag,
    Loop,
    Lost,
    Pool,
    RunningCall,
    Second,
    Site,
    Step,
    Task,
)

KINDS = {int(kind): kind.name.lower() for kind in Kind}
STATES = [state.name.lower() for state in tasks.TaskState]


class Names:
    """Finds what the numbers of a recording mean, each once."""

    def __init__(self, recording: model.Recording) -> None:
        self.recording = recording
        self.loop = cache(self._loop)
        self.site = cache(self._site)
        self.site_of = cache(self._site_of)

    def _loop(self, thread: int) -> int:
        found = self.recording.threads.get(thread)
        return found.number if found else 0

    def _site(self, index: int) -> Site | None:
        site = self.recording.sites.get(index)
        if site is None:
            return None
        return Site(
            site.function,
            site.file,
            site.line,
            site.is_coroutine,
            site.tasks,
            site.steps,
            site.busy_s,
            site.delay_s,
            site.longest_s,
        )

    def _site_of(self, subject: int) -> Site | None:
        code = self.recording.code_of(subject)
        return None if code is None else self.site(code.index)


@dataclass(frozen=True)
class Recording:
    """What a recording says, as it was when it was read. Parts are made when they are asked for."""

    pid: int
    parent: int  # the process that started it
    program: int  # a number that the processes of one program share
    argv: tuple[str, ...]
    python: str | None
    started_unix_s: float
    run_s: float  # until its end, or its last sign of life
    ended: bool  # the program closed its recording
    alive: bool  # the program runs still
    threshold_s: float
    lag: Lag  # of the loop that lags most
    loops: tuple[Loop, ...]
    sites: Sequence[Site]
    tasks: Sequence[Task]  # that are pending, and the latest that ended
    tasks_born: int
    blocked: Sequence[BlockedStep]  # in the order in which they began
    slow_calls: Sequence[BlockedStep]
    """Calls of pools of threads that ran for the threshold or longer, and on which line, where
    threads were watched: `Recorder(threads=True)`."""
    pools: tuple[Pool, ...]
    calls: Sequence[Call]  # that are left
    running: Sequence[RunningCall]
    history: Sequence[Second]  # of all loops: an hour of one, in a recording of the default size
    lost: Lost
    _events: events.Events = field(repr=False, compare=False)
    _names: Names = field(repr=False, compare=False)

    @cached_property
    def headroom(self) -> Headroom | None:
        """How many times as much its loop bears as came; None where nobody can know.

        That is where nothing came from outside, little, or now much and now little. It is worked
        out when it is first asked for: the advice is, from the source as it is now, and what
        sending things to a process costs is measured, which takes a third of a second.
        """
        from fournil.observe.report.publish import report_of_one

        found = report_of_one(self._names.recording).headroom
        return None if found is None else Headroom(*found)

    def steps(self) -> Iterator[Step]:
        """Yield the steps of loops that are left, in the order in which they ended.

        They are made on the way, about half a million a second.
        """
        names = self._names
        for event in self._events.steps():
            subject = event.subject
            yield Step(
                event.begin,
                event.duration,
                event.delay,
                KINDS[event.kind],
                names.loop(event.thread),
                None if subject & kinds.SITE_BIT or not subject else subject,
                names.site_of(subject),
            )

    def task_columns(self) -> dict[str, list[Any]]:
        """Return the tasks field by field, a few times faster than one by one: a table of them.

        The columns are those of `Task`, with what a site is in `function`, `file` and `line`.
        """
        found = self._names.recording
        columns = found.tasks.columns()
        del columns["parent"], columns["thread"]
        codes = list(map(found.codes.get, columns.pop("site")))
        for name in ("function", "file", "line"):
            columns[name] = [code and getattr(code, name) for code in codes]
        columns["state"] = [STATES[state] for state in columns["state"]]
        return columns

    def step_columns(self) -> dict[str, list[float]]:
        """Return the same steps as numbers, field by field, at some two million a second.

        `pandas.DataFrame(recording.step_columns())` is a table of them. The columns are begin_s,
        duration_s, delay_s, and loop.
        """
        columns = self._events.step_columns()
        threads = columns.numbers("thread")
        loops = {thread: self._names.loop(thread) for thread in set(threads)}
        return {
            "begin_s": columns.begin,
            "duration_s": columns.duration,
            "delay_s": columns.delay,
            "loop": list(map(loops.__getitem__, threads)),
        }
