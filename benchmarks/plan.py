"""Which measurements a run makes, in which order. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Settings:
    """How one measurement is made.

    Attributes:
        seconds: how long one repetition should take.
        repeats: how many repetitions; the fastest counts.
        core: the processor that the loop's thread keeps to; None: any.
    """

    seconds: float
    repeats: int
    core: int | None


class Step(NamedTuple):
    """One measurement of a run."""

    round: int
    case: str
    loop: str


def plan(cases: Sequence[str], loops: Sequence[str], rounds: int, seed: int) -> Iterator[Step]:
    """Yield each (case, loop) once a round, in an order that no round shares.

    The loops of one case follow each other: their ratio compares moments that are close.
    """
    shuffled = random.Random(seed)
    for round_ in range(rounds):
        for case in shuffled.sample(cases, len(cases)):
            for loop in shuffled.sample(loops, len(loops)):
                yield Step(round_, case, loop)
