"""Which measurements a run makes, in which order. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Settings:
    """How one measurement is made.

    Attributes:
        seconds: how long one repetition of a coroutine should take.
        repeats: how many repetitions; the fastest counts.
        warmup: how many seconds a service is under load before it is measured.
        window: how many seconds a service is measured.
        core: the processor that the loop's thread keeps to; None: any.
        load_core: the processor that a load keeps to; None: any.
    """

    seconds: float
    repeats: int
    warmup: float
    window: float
    core: int | None
    load_core: int | None


class Step(NamedTuple):
    """One measurement of a run."""

    round: int
    case: str
    loop: str


def plan(contenders: Mapping[str, Sequence[str]], rounds: int, seed: int) -> Iterator[Step]:
    """Yield each case's contenders once a round, in an order that no round shares.

    The loops of one case follow each other: their ratio compares moments that are close.
    """
    shuffled = random.Random(seed)
    for round_ in range(rounds):
        for case in shuffled.sample(list(contenders), len(contenders)):
            for loop in shuffled.sample(contenders[case], len(contenders[case])):
                yield Step(round_, case, loop)
