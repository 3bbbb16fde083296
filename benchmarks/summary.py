"""From measurements to medians, ratios and quartiles. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import TypedDict


class Spread(TypedDict):
    """A distribution over the rounds."""

    median: float
    q1: float
    q3: float


class Result(TypedDict):
    """What one loop did in one case."""

    ns: Spread
    ratio: Spread | None
    """Time against the baseline's, taken within each round; None without a baseline."""
    added_ns: Spread | None
    """Time over that of the loop that this one adds something to, within each round."""
    rounds_ns: list[float | None]
    """The fastest repetition of each round; None where the measurement failed."""


# The seconds for one operation, fastest repetition, by case, loop and round.
Measured = Mapping[str, Mapping[str, Mapping[int, float]]]


def summarize(
    measured: Measured, baseline: str, over: Mapping[str, str], rounds: int
) -> dict[str, dict[str, Result]]:
    """Return a result for each case and loop that was measured at least once.

    `over` names, for a loop that adds something to another, that other.
    """
    return {
        case: {
            loop: result(taken, loops.get(baseline, {}), loops.get(over.get(loop, ""), {}), rounds)
            for loop, taken in loops.items()
            if taken
        }
        for case, loops in measured.items()
    }


def result(
    taken: Mapping[int, float], base: Mapping[int, float], under: Mapping[int, float], rounds: int
) -> Result:
    shared = sorted(taken.keys() & base.keys())
    added = sorted(taken.keys() & under.keys())
    return Result(
        ns=spread([seconds * 1e9 for seconds in taken.values()]),
        ratio=spread([taken[number] / base[number] for number in shared]) if shared else None,
        added_ns=spread([(taken[n] - under[n]) * 1e9 for n in added]) if added else None,
        rounds_ns=[taken[number] * 1e9 if number in taken else None for number in range(rounds)],
    )


def spread(values: Sequence[float]) -> Spread:
    if len(values) == 1:
        return Spread(median=values[0], q1=values[0], q3=values[0])
    q1, _, q3 = quantiles(values, n=4, method="inclusive")
    return Spread(median=median(values), q1=q1, q3=q3)
