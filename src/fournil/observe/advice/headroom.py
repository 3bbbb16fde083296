"""How many times its load a loop bears: pure.

A load is what comes from outside again and again, as the requests of a server: only then there is
something that can grow. What each request takes of the loop, of the cores and of threads is taken
to stay as it is; the first of these to be full is the end. Where nothing asks, where little was
asked, or now much and now little, there is no such number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fournil.observe.recording.events import Columns
from fournil.observe.recording.model import BlockedGroup, Pool, Recording
from fournil.observe.replay.steps import is_task
from fournil.observe.replay.whatif import HANDOVER_S, Move, threads_of
from fournil.record.kinds import Kind

FEW = 20
"""Of fewer requests nobody knows what others are like."""

PARTS, EVEN = 4, 3.0
"""A load is even if none of so many parts of the run has so many times the mean of its steps."""

SHORTEST_S = 1e-6


class Headroom(NamedTuple):
    """How many times as much a loop bears as it was given."""

    now: float
    limit: str  # what is full then: loop, cores, threads, workers, or a lock
    with_advice: float | None  # with all advice followed; None: there is none
    limit_with_advice: str | None
    assumes: tuple[str, ...]


class Load(NamedTuple):
    """What came, and what it took of the loop that had most to do; times in seconds."""

    begin_s: float
    lasted_s: float
    busy_s: float
    thread: int


def load_of(recording: Recording, most: int) -> Load | None:
    """Return what came from outside; None: nothing, little, or not evenly.

    Args:
        recording: the recording.
        most: so many of the newest events are looked at.
    """
    steps = recording.events.step_columns(most)
    kinds, threads = steps.numbers("kind"), steps.numbers("thread")
    came = [
        (begin, thread)
        for begin, kind, thread in zip(steps.begin, kinds, threads, strict=True)
        if kind == Kind.READER
    ]
    if len(came) < FEW or not _serves(recording, steps, kinds):
        return None
    loads = []
    for thread in {thread for _, thread in came} & set(recording.threads):
        begins = [begin for begin, where in came if where == thread]
        if len(begins) < FEW or not _is_even(begins):
            continue
        ran = [
            (begin, duration)
            for begin, duration, where in zip(steps.begin, steps.duration, threads, strict=True)
            if where == thread and begin >= begins[0]
        ]
        lasted_s = max(begin + duration for begin, duration in ran) - begins[0]
        # Between its steps a loop is busy as well.
        loop = recording.threads[thread]
        besides = (loop.busy_s + loop.gil_wait_s) / loop.in_steps_s if loop.in_steps_s else 1.0
        busy_s = sum(duration for _, duration in ran) * max(1.0, besides)
        if lasted_s > 0:
            loads.append(Load(begins[0], lasted_s, min(busy_s, lasted_s), thread))
    return max(loads, key=lambda load: load.busy_s / load.lasted_s, default=None)


def _serves(recording: Recording, steps: Columns, kinds: Sequence[int]) -> bool:
    """Whether tasks were begun by what was read, or by a callback that was told of it."""
    subjects, wakers = steps.numbers("subject"), steps.numbers("waker")
    readers = {who for who, kind in zip(subjects, kinds, strict=True) if kind == Kind.READER}
    told = {
        who
        for who, kind, by in zip(subjects, kinds, wakers, strict=True)
        if kind == Kind.CALLBACK and by in readers
    }
    makers, births = readers | told, recording.events.births
    return any(
        (birth := births.get(task)) is not None and birth.maker in makers
        for task in {who for who in subjects if is_task(who)}
    )


def _is_even(begins: Sequence[float]) -> bool:
    """Whether about as much came in each part of the time.

    >>> _is_even([n / 10 for n in range(40)]), _is_even([n**3 / 10 for n in range(40)])
    (True, False)
    """
    span = begins[-1] - begins[0]
    counts = [0] * PARTS
    for begin in begins:
        counts[min(PARTS - 1, int((begin - begins[0]) / span * PARTS)) if span else 0] += 1
    return max(counts) <= EVEN * min(counts)


def headroom(
    load: Load,
    pools: Iterable[Pool],
    moved: Iterable[tuple[BlockedGroup, Move]] | None,
    *,
    cores: int,
    others: float,
    assumes: Sequence[str] = (),
) -> Headroom:
    """Return how many times a load a loop bears.

    Args:
        load: what came.
        pools: where calls ran meanwhile.
        moved: groups of blocked steps, and where they go by their advice; None: there is none.
        cores: how many the machine has.
        others: how many of them other programs keep busy.
        assumes: what is assumed of the moves.
    """
    free = max(1.0, cores - others)
    pools = list(pools)
    called_s = sum(pool.cpu_s for pool in pools)
    full = {
        "loop": load.busy_s,
        "workers": max((pool.inside_s / max(1, pool.workers) for pool in pools), default=0.0),
        "cores": (load.busy_s + called_s) / free if called_s else 0.0,
    }
    now, limit = _times(load, full)
    if moved is None:
        return Headroom(now, limit, None, None, ())
    busy_s, computes_s, waits_s = load.busy_s, called_s, 0.0
    turns: dict[str, float] = {}
    for group, move in moved:
        for step in group.steps:
            if step.thread != load.thread or step.begin_s < load.begin_s:
                continue
            busy_s -= max(0.0, step.taken_s - HANDOVER_S - move.send_s)
            elsewhere_s = step.taken_s + move.extra_s
            computes_s += elsewhere_s if move.uses_cpu else 0.0
            waits_s += elsewhere_s if move.to == "thread" else 0.0
            if move.turns:
                turns[move.turns] = turns.get(move.turns, 0.0) + elsewhere_s / move.at_once
    full |= {
        "loop": max(0.0, busy_s),
        "cores": (max(0.0, busy_s) + computes_s) / free if computes_s else 0.0,
        "threads": waits_s / threads_of(cores),
        "a lock": max(turns.values(), default=0.0),
    }
    return Headroom(now, limit, *_times(load, full), tuple(assumes))


def _times(load: Load, full: Mapping[str, float]) -> tuple[float, str]:
    """Return how often a load fits, and what is full then, of the times that each is in use."""
    limit = max(full, key=full.__getitem__)
    return max(1.0, load.lasted_s / max(full[limit], SHORTEST_S)), limit
