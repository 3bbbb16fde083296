"""From measurements to medians, ratios and quartiles. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import TypedDict

from benchmarks.figures import Kind, Measurement


class Spread(TypedDict):
    """A distribution over the rounds."""

    median: float
    q1: float
    q3: float


class Result(TypedDict):
    """One figure of one loop in one case."""

    value: Spread
    ratio: Spread | None
    """Against the baseline's, taken within each round; None without a baseline."""
    added: Spread | None
    """Over that of the loop that this one adds something to, within each round: a difference,
    or a percentage where the kind of case says so."""
    rounds: list[float | None]
    """None where the measurement failed."""


# By case, loop and round.
Measured = Mapping[str, Mapping[str, Mapping[int, Measurement]]]

# By case, loop and figure.
Results = dict[str, dict[str, dict[str, Result]]]


def summarize(
    measured: Measured,
    kinds: Mapping[str, Kind],
    baseline: str,
    over: Mapping[str, str],
    rounds: int,
) -> Results:
    """Return the results of each case and loop that was measured at least once.

    `over` names, for a loop that adds something to another, that other.
    """
    return {
        case: {
            loop: {
                figure.name: result(
                    of_figure(figure.name, taken),
                    of_figure(figure.name, loops.get(baseline, {})),
                    of_figure(figure.name, loops.get(over.get(loop, ""), {})),
                    rounds,
                    kinds[case].added_in_percent,
                )
                for figure in kinds[case].figures
            }
            for loop, taken in loops.items()
            if taken
        }
        for case, loops in measured.items()
    }


def rounds_of(measured: Measured) -> int:
    """Return how many rounds there are of what was measured most often."""
    return max((len(taken) for loops in measured.values() for taken in loops.values()), default=0)


def of_figure(name: str, taken: Mapping[int, Measurement]) -> dict[int, float]:
    return {number: measurement[name] for number, measurement in taken.items()}


def result(
    taken: Mapping[int, float],
    base: Mapping[int, float],
    under: Mapping[int, float],
    rounds: int,
    in_percent: bool,
) -> Result:
    added = [
        (taken[n] / under[n] - 1) * 100 if in_percent else taken[n] - under[n]
        for n in sorted(taken.keys() & under.keys())
        if under[n] or not in_percent
    ]
    ratios = [taken[n] / base[n] for n in sorted(taken.keys() & base.keys()) if base[n]]
    return Result(
        value=spread(list(taken.values())),
        ratio=spread(ratios) if ratios else None,
        added=spread(added) if added else None,
        rounds=[taken.get(number) for number in range(rounds)],
    )


def spread(values: Sequence[float]) -> Spread:
    if len(values) == 1:
        return Spread(median=values[0], q1=values[0], q3=values[0])
    q1, _, q3 = quantiles(values, n=4, method="inclusive")
    return Spread(median=median(values), q1=q1, q3=q3)
