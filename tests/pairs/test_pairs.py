"""That the pairs are what they should be; `make pairs` runs them and measures."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.pairs.measure import Result, Try, line, measure, table, wrong
from tests.pairs.pair import Pair, Run
from tests.pairs.pairs import PAIRS

SLEEPS = Pair(
    "sleeps",
    """\
    import asyncio, time

    async def main():
        time.sleep(0.1)  #> await asyncio.sleep(0.1)

    asyncio.run(main())
    """,
)


def test_there_are_enough() -> None:
    assert len(PAIRS) >= 25
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_both_are_programs_and_differ(pair: Pair) -> None:
    ast.parse(pair.before)
    ast.parse(pair.after)
    assert pair.before != pair.after
    assert "#>" not in pair.before + pair.after


def test_lines_are_replaced() -> None:
    assert "    time.sleep(0.1)\n" in SLEEPS.before
    assert "    await asyncio.sleep(0.1)\n" in SLEEPS.after


def test_a_pair_is_measured(tmp_path: Path) -> None:
    result = measure(SLEEPS, tmp_path, runs=1, most=1)
    assert result.missing == 0
    assert result.before_s > 0.1
    assert "sleeps" in line(result)


def run(run_s: float, lag_s: float, **report: object) -> Run:
    return Run({"run_s": run_s, "loops": [{"lag_s": {"p99": lag_s}}], **report}, 0.0)


def result(told_s: float, true_s: float, lag_s: float = 0.0) -> Result:
    told = {"run_s": told_s, "range_s": [0.9, 1.3], "lag_s": {"p99": 0.0}}
    return Result(SLEEPS, (Try(run(2.0, 0.5), run(true_s, lag_s), told),), 0)


def test_what_is_good_enough() -> None:
    assert wrong([result(1.0, 1.05, lag_s=0.015)]) == []
    assert "ranges: 1 of 1 hold the truth" in list(table([result(1.0, 1.05)]))


def test_what_is_not() -> None:
    assert wrong([result(1.0, 2.0)]) == [
        "estimates are off by 50% in the median",
        "sleeps: off by -50%",
        "0 of 1 ranges hold the truth",
    ]
    assert wrong([result(1.0, 1.0, lag_s=0.1)]) == ["sleeps: the lag"]
