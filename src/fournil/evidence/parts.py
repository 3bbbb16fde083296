"""The parts of a step that did several things, one after the other: pure.

A loop comes back to its lines again and again, so that lines of one function which take turns are
one part. Lines that follow each other are parts of their own, each with its class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fournil.evidence.classify import (
    Blocker,
    greatest_collection,
    heaviest,
    heaviest_stack,
    time_by_line,
)
from fournil.evidence.looks import Collection, Look, weight
from fournil.evidence.stacks import Frame, plain_name

LEAST_SHARE = 0.05
"""What took less of a step than this is not worth naming, however long it took."""

LARGE_SHARE = 0.2
"""What took as much of a step as this is worth naming, however short the step was."""

Line = tuple[str, int, bool]
"""A file, a line of it, and whether the collector of garbage ran there."""


class Part(NamedTuple):
    """One of the things that a step did; times in ticks."""

    blocker: Blocker
    culprit: Frame
    lines: dict[Frame, int]
    frames: tuple[Frame, ...]  # of the heaviest look at the culprit
    share: float  # of the step
    collection: Collection | None = None


class _Seen:
    """The looks at a line, or at several that take turns."""

    def __init__(self, first: int) -> None:
        self.first = self.last = first
        self.looks: list[tuple[Look, Blocker]] = []

    def add(self, place: int, look: Look, blocker: Blocker) -> None:
        self.last = place
        self.looks.append((look, blocker))

    def join(self, other: _Seen) -> None:
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        self.looks += other.looks

    @property
    def blocker(self) -> Blocker:
        totals: defaultdict[Blocker, int] = defaultdict(int)
        for look, blocker in self.looks:
            totals[blocker] += weight(look)
        return heaviest(totals) or Blocker.PYTHON

    @property
    def time(self) -> int:
        return sum(weight(look) for look, _ in self.looks)


def split(
    looks: Sequence[Look], labels: Sequence[Blocker | None], threshold: float
) -> tuple[Part, ...]:
    """Return the parts of a step that are worth naming, the greatest first; they add up to it.

    Args:
        looks: at the step, in the order in which they were taken.
        labels: the class that each speaks for; None: it waited for the GIL.
        threshold: what takes so many ticks is worth naming.
    """
    groups = _take_turns(_by_line(looks, labels))
    whole = sum(group.time for group in groups)
    if not whole:
        return ()
    worth = [
        group
        for group in groups
        if group.time >= LARGE_SHARE * whole
        or (group.time >= threshold and group.time >= LEAST_SHARE * whole)
    ] or [max(groups, key=lambda group: group.time)]
    named = sum(group.time for group in worth)
    worth.sort(key=lambda group: -group.time)
    return tuple(_part(group, group.time / named) for group in worth)


def _by_line(
    looks: Sequence[Look], labels: Sequence[Blocker | None]
) -> Mapping[Line, tuple[str, _Seen]]:
    """Return the looks at each line of the user's own, and its function."""
    found: dict[Line, tuple[str, _Seen]] = {}
    for place, (look, blocker) in enumerate(zip(looks, labels, strict=True)):
        if look.own is None or blocker is None:
            continue
        line = look.own.file, look.own.line, blocker is Blocker.GC
        if line not in found:
            found[line] = plain_name(look.own.function), _Seen(place)
        found[line][1].add(place, look, blocker)
    return found


def _take_turns(lines: Mapping[Line, tuple[str, _Seen]]) -> list[_Seen]:
    """Return lines of one function joined where they take turns.

    Python code that runs for so long in one function is a loop's, even where chance shows its
    lines one after the other.
    """
    groups: dict[tuple[str, str, bool], list[_Seen]] = defaultdict(list)
    for (file, _, collects), (function, seen) in lines.items():
        groups[file, function, collects].append(seen)
    found = []
    for same in groups.values():
        same.sort(key=lambda seen: seen.first)
        joined: list[_Seen] = []
        for seen in same:
            before = joined[-1] if joined else None
            both_python = before and before.blocker is seen.blocker is Blocker.PYTHON
            if before is not None and (seen.first < before.last or both_python):
                before.join(seen)
            else:
                joined.append(seen)
        found += joined
    return found


def _part(seen: _Seen, share: float) -> Part:
    blocker = seen.blocker
    speaking = [look for look, of in seen.looks if of is blocker]
    lines = time_by_line(speaking)
    culprit = max(lines, key=lambda frame: lines[frame])
    collection = greatest_collection(speaking) if blocker is Blocker.GC else None
    return Part(blocker, culprit, lines, heaviest_stack(speaking, culprit), share, collection)
