"""The steps of a recorded run, and what each of them waited for: the data of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import gt
from typing import Any, Literal, NamedTuple

from fournil.record.kinds import SITE_BIT, Kind

Come = Literal["", "early", "late"]
"""When what comes from outside does, where that is not known; empty: as is likely."""

NONE = -1
"""The place of no step."""

POLLED = frozenset({Kind.READER, Kind.WRITER})
"""The kinds of steps whose events a poll reports."""


def is_task(subject: int) -> bool:
    """Tell whether a subject is a task, which runs one step after the other."""
    return 0 < subject < SITE_BIT


class Step(NamedTuple):
    """One step of a recorded run; times in seconds."""

    begin: float
    duration: float
    delay: float  # from ready to running
    subject: int  # a task's id, or a site's index with SITE_BIT
    waker: int  # the subject of the step that made it ready; 0: the kernel or a clock
    kind: int  # record.kinds.Kind
    thread: int


class Columns(NamedTuple):
    """The steps of a run, field by field: each list has a value for each step."""

    begin: list[float]
    duration: list[float]
    delay: list[float]
    subject: list[int]
    waker: list[int]
    kind: list[int]
    thread: list[int]

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Columns:
        """Return the fields of steps."""
        columns: Any = map(list, zip(*steps, strict=True)) if steps else ([] for _ in cls._fields)
        return cls(*columns)

    def plus(self, steps: Sequence[Step]) -> Columns:
        """Return these steps and more of them."""
        added = Columns.of(steps)
        columns: Any = (one + more for one, more in zip(tuple[Any, ...](self), added, strict=True))
        return Columns(*columns)

    def in_order(self) -> tuple[Columns, Sequence[int]]:
        """Return the steps as they began, and where each of them stood."""
        order: Sequence[int] = range(len(self.begin))
        if any(map(gt, self.begin, self.begin[1:])):
            order = sorted(order, key=self.begin.__getitem__)
            columns: Any = ([column[at] for at in order] for column in self)
            return Columns(*columns), order
        return self, order


@dataclass(slots=True)
class Causes:
    """The steps in the order in which they began, and what each of them waited for.

    A step is ready `offset` after the begin, or the end, of step `base`, and not before the
    ends of the steps it `follows` and `joins`; without a base, `offset` after time zero.
    Lists are by place in that order; NONE is no step.
    """

    order: Sequence[int]  # where each step stood in what was given
    begin: list[float]
    duration: list[float]
    ready: list[float]
    subject: list[int]
    kind: list[int]
    thread: list[int]
    overhead: list[float]  # what the loop spent before the step although the step was ready
    base: list[int]
    from_end: list[bool]
    offset: list[float]
    bounds: dict[int, tuple[float, float]]  # of offsets that are not known better, by step
    follows: list[int]  # the same task's step before
    joins: dict[int, list[int]]
    turn: list[int]  # the loop's turn that the step ran in
    closing: list[int]  # the last step of the loop's turn before
    turns: list[tuple[int, int]]  # the first and the last step of each turn
    is_sure: bool  # nothing that came from outside may have had another base
    last: list[int]
    """The steps with which the run ended; others may run beside them for as long as it lasts."""

    def end(self, index: int) -> float:
        """Return when a step ended, in seconds."""
        return self.begin[index] + self.duration[index]

    def set_base(self, index: int, base: int, ready: float) -> None:
        """Let a step become ready as long after another one as if it had been at `ready`."""
        end = self.end(base)
        self.bounds.pop(index, None)
        self.base[index] = base
        self.from_end[index] = ready >= end
        self.offset[index] = ready - (end if ready >= end else self.begin[base])
