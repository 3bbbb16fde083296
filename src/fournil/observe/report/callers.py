"""Who called a blocked line, and for what, with the shares of each where they differ: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import dropwhile
from typing import NamedTuple

from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame
from fournil.observe.recording.model import BlockedGroup
from fournil.observe.recording.served import Served

LEAST_SHARE = 0.05
"""Callers with less of the time are not told apart."""


class Caller(NamedTuple):
    """A line that called another one."""

    frame: Frame
    share: float  # of the time; 1: it called all that is told before it


class Request(NamedTuple):
    """For what a framework called a line."""

    served: Served
    share: float  # of the time


def callers(group: BlockedGroup, ownership: Ownership) -> tuple[Caller, ...]:
    """Return the callers of a group's line, the nearest first.

    They are the user's own; where no line is theirs, those of libraries, up to what the task runs.
    Those at the end whose shares are less than 1 are alternatives: there the ways part.
    """
    chains = [(_chain(stack, ownership), time) for stack, time in _stacks(group)]
    total = sum(time for _, time in chains)
    found: list[Caller] = []
    while total > 0:
        at = len(found)
        times: defaultdict[Frame | None, float] = defaultdict(float)
        for chain, time in chains:
            times[chain[at] if at < len(chain) else None] += time
        worth = {frame: time for frame, time in times.items() if time >= LEAST_SHARE * total}
        if len(worth) == 1:
            (frame,) = worth
            if frame is None:
                break
            found.append(Caller(frame, 1.0))
            chains = [pair for pair in chains if pair[0][at : at + 1] == (frame,)]
            continue
        ways = [Caller(frame, time / total) for frame, time in worth.items() if frame is not None]
        found += sorted(ways, key=lambda caller: -caller.share)
        break
    return tuple(found)


def requests(group: BlockedGroup) -> tuple[Request, ...]:
    """Return the handlers and routes for which a framework called a group's line, most first."""
    times: defaultdict[Served, float] = defaultdict(float)
    for step in group.steps:
        if step.served is not None:
            times[step.served] += step.taken_s
    total = sum(step.taken_s for step in group.steps)
    found = [Request(served, time / total if total else 1.0) for served, time in times.items()]
    return tuple(sorted(found, key=lambda request: -request.share))


def _stacks(group: BlockedGroup) -> Iterator[tuple[tuple[Frame, ...], float]]:
    """Yield the stacks of a group's steps, each with its part of their time."""
    for step in group.steps:
        stacks = step.stacks or {step.frames: 1.0}
        seen = sum(stacks.values())
        for stack, time in stacks.items():
            if stack and seen > 0:
                yield stack, step.taken_s * time / seen


def _chain(stack: Sequence[Frame], ownership: Ownership) -> tuple[Frame, ...]:
    own = [frame for frame in stack if ownership.is_own(frame.file)]
    if own:
        # What stands in the line itself, as a generator that it runs through, calls nothing.
        callers = dropwhile(lambda frame: frame[:2] == own[0][:2], own)
        return tuple(_once(callers))
    blamed = ownership.innermost_own(stack)
    inside = stack.index(blamed) if blamed else 0
    return tuple(_once(stack[inside:], by_function=True))[1:]


def _once(frames: Iterable[Frame], *, by_function: bool = False) -> Iterator[Frame]:
    """Yield frames without those that repeat the one before, as of a function that calls itself."""
    before: object = None
    for frame in frames:
        key = (frame.file, frame.function) if by_function else frame
        if key != before:
            yield frame
        before = key
