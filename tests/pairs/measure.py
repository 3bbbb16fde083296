"""What came of pairs, and whether their estimates are good enough."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.advice.others import BUSY
from tests.pairs.pair import Pair, Run, run

CLOSE, FAR = 0.10, 0.40
"""How far off estimates of the run's time may be: the median, and the worst."""

WIDE = 4.0
"""A range whose ends differ by more than this tells two cases, and its middle nothing."""

HELD = 0.9
"""So many ranges hold the truth."""

LAG_FACTOR, LAG_S = 3.0, 0.02
"""An estimated lag is within this factor of the true one, or so near."""


@dataclass(frozen=True)
class Try:
    """A run of a program, and one of the mended one right after it."""

    before: Run
    after: Run
    told: Mapping[str, Any] | None  # of the second, by the report on the first

    @property
    def is_quiet(self) -> bool:
        return max(self.before.others, self.after.others) < BUSY

    @property
    def told_s(self) -> float:
        assert self.told
        return float(self.told["run_s"])

    @property
    def range_s(self) -> tuple[float, float]:
        assert self.told
        low, high = self.told["range_s"]
        return float(low), float(high)

    @property
    def told_lag_s(self) -> float:
        assert self.told
        return float(self.told["lag_s"]["p99"])

    @property
    def is_held(self) -> bool:
        low, high = self.range_s
        return low <= self.after.run_s <= high


@dataclass(frozen=True)
class Result:
    """What came of a pair; times in seconds, medians of its runs."""

    pair: Pair
    tries: tuple[Try, ...]  # in which there was an estimate
    missing: int  # how many others

    @property
    def is_told(self) -> bool:
        return bool(self.tries)

    @property
    def before_s(self) -> float:
        return median(one.before.run_s for one in self.tries)

    @property
    def after_s(self) -> float:
        return median(one.after.run_s for one in self.tries)

    @property
    def told_s(self) -> float:
        return median(one.told_s for one in self.tries)

    @property
    def range_s(self) -> tuple[float, float]:
        return (
            median(one.range_s[0] for one in self.tries),
            median(one.range_s[1] for one in self.tries),
        )

    @property
    def is_wide(self) -> bool:
        """Whether two cases are told, as of a server that may answer one at a time."""
        low, high = self.range_s
        return high > WIDE * low

    @property
    def error(self) -> float:
        """How far off the estimates are, as a share of the truth."""
        return median(one.told_s / self.after_s - 1 for one in self.tries)

    @property
    def held(self) -> float:
        """The share of the ranges that hold what was measured."""
        return sum(one.is_held for one in self.tries) / len(self.tries)

    @property
    def lag_s(self) -> tuple[float, float]:
        """The lag that was told, and the true one."""
        return (
            median(one.told_lag_s for one in self.tries),
            median(one.after.lag_p99_s for one in self.tries),
        )

    @property
    def is_lag_right(self) -> bool:
        told_s, true_s = self.lag_s
        low, high = sorted(self.lag_s)
        return abs(told_s - true_s) <= LAG_S or high <= LAG_FACTOR * low


def measure(pair: Pair, folder: Path, runs: int, most: int) -> Result:
    """Run a pair in turns, until so many tries were not disturbed, and at most `most` times."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("load.py", "slow_module.py"):
        shutil.copy(Path(__file__).with_name(name), folder)
    tries: list[Try] = []
    while len(tries) < most and sum(one.is_quiet for one in tries) < runs:
        before = run(pair, pair.before, folder)
        tries.append(Try(before, run(pair, pair.after, folder), before.told(pair)))
    quiet = sorted(tries, key=lambda one: max(one.before.others, one.after.others))[:runs]
    told = tuple(one for one in quiet if one.told is not None)
    return Result(pair, told, len(quiet) - len(told))


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield lines that say what came of pairs."""
    yield (
        f"{'pair':60} {'before':>7} {'after':>7} {'told':>7} {'off':>6} {'range':>15} {'held':>5}  "
        "lag p99, told and true"
    )
    for result in results:
        yield line(result)
    found = [result for result in results if result.is_told]
    if not found:
        return
    errors = sorted(abs(result.error) for result in found if not result.is_wide)
    tries = [one for result in found for one in result.tries]
    yield ""
    yield f"run time: off by {median(errors):.1%} in the median, by {errors[-1]:.0%} at worst"
    yield f"wide ranges: {len(found) - len(errors)}, which are not among these"
    yield f"ranges: {sum(one.is_held for one in tries)} of {len(tries)} hold the truth"
    yield f"lag: {sum(result.is_lag_right for result in found)} of {len(found)} are right"
    yield f"disturbed by others: {sum(not one.is_quiet for one in tries)} of {len(tries)}"


def line(result: Result) -> str:
    """Return a line of the table."""
    if not result.is_told:
        return f"{result.pair.name:60} no estimate"
    low, high = result.range_s
    told_lag, true_lag = result.lag_s
    lag = f"{told_lag * 1e3:6.1f} {true_lag * 1e3:6.1f} ms{'' if result.is_lag_right else ' WRONG'}"
    missing = f"  {result.missing} without an estimate" if result.missing else ""
    return (
        f"{result.pair.name:60} {result.before_s:7.3f} {result.after_s:7.3f} {result.told_s:7.3f} "
        f"{result.error:+6.0%} {low:7.3f} {high:7.3f} {result.held:5.0%}  {lag}{missing}"
    )


def wrong(results: Sequence[Result]) -> list[str]:
    """Return what is not as good as it has to be, in words."""
    found = [result for result in results if result.is_told]
    errors = sorted(abs(result.error) for result in found if not result.is_wide)
    held = [one.is_held for result in found for one in result.tries]
    told = []
    if errors and median(errors) > CLOSE:
        told.append(f"estimates are off by {median(errors):.0%} in the median")
    told += [
        f"{result.pair.name}: off by {result.error:+.0%}"
        for result in found
        if abs(result.error) > FAR and not result.is_wide
    ]
    if held and sum(held) < HELD * len(held):
        told.append(f"{sum(held)} of {len(held)} ranges hold the truth")
    told += [f"{result.pair.name}: the lag" for result in found if not result.is_lag_right]
    return told
