"""The plan of a run and what is made of its measurements."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.case import all_cases
from benchmarks.command import reason
from benchmarks.plan import plan
from benchmarks.report import table
from benchmarks.summary import summarize

CASES = ["a", "b", "c"]
LOOPS = ["x", "y"]


def test_plan_measures_each_pair_once_a_round() -> None:
    steps = list(plan(CASES, LOOPS, rounds=4, seed=1))
    assert Counter(steps) == Counter(
        {(round_, case, loop): 1 for round_ in range(4) for case in CASES for loop in LOOPS}
    )


def test_plan_keeps_the_loops_of_a_case_together() -> None:
    steps = list(plan(CASES, LOOPS, rounds=4, seed=1))
    for first, second in zip(steps[::2], steps[1::2], strict=True):
        assert (first.round, first.case) == (second.round, second.case)


def test_plan_orders_rounds_differently() -> None:
    steps = list(plan(CASES, LOOPS, rounds=20, seed=1))
    orders = {tuple(step[1:] for step in steps if step.round == number) for number in range(20)}
    assert len(orders) > 10


def test_ratios_are_taken_within_rounds() -> None:
    # The second round ran at half the speed, for both.
    measured = {"a": {"x": {0: 1e-6, 1: 2e-6}, "y": {0: 3e-6, 1: 6e-6}}}
    result = summarize(measured, "x", {}, rounds=2)["a"]["y"]
    assert result["ratio"] == {"median": 3.0, "q1": 3.0, "q3": 3.0}
    assert result["ns"]["median"] == pytest.approx(4500)
    assert result["rounds_ns"] == pytest.approx([3000, 6000])


def test_quartiles() -> None:
    measured = {"a": {"x": dict.fromkeys(range(5), 1e-9), "y": {n: n * 1e-9 for n in range(5)}}}
    ratio = summarize(measured, "x", {}, rounds=5)["a"]["y"]["ratio"]
    assert ratio == pytest.approx({"median": 2, "q1": 1, "q3": 3})


def test_a_failed_round_counts_for_neither_side() -> None:
    measured: dict[str, dict[str, dict[int, float]]] = {
        "a": {"x": {1: 1e-9, 2: 1e-9}, "y": {0: 8e-9, 1: 2e-9, 2: 2e-9}, "z": {}}
    }
    results = summarize(measured, "x", {}, rounds=3)["a"]
    assert results["y"]["ratio"] == pytest.approx({"median": 2, "q1": 2, "q3": 2})
    assert results["x"]["rounds_ns"] == [None, pytest.approx(1), pytest.approx(1)]
    assert "z" not in results


def test_what_a_loop_adds_is_taken_within_rounds() -> None:
    measured = {"a": {"x": {0: 1e-6, 1: 9e-6}, "y": {0: 3e-6, 1: 11e-6}}}
    results = summarize(measured, "x", {"y": "x"}, rounds=2)["a"]
    assert results["y"]["added_ns"] == pytest.approx({"median": 2000, "q1": 2000, "q3": 2000})
    assert results["x"]["added_ns"] is None


@pytest.mark.parametrize(
    ("stderr", "named"),
    [
        ("Traceback…\n  x\nValueError: bad\n<sys>:0: RuntimeWarning: never\n", "ValueError: bad"),
        ("Killed\n", "Killed"),
        ("", "nothing on stderr"),
    ],
)
def test_a_failure_names_the_exception(stderr: str, named: str) -> None:
    assert reason(stderr) == named


def test_table_without_a_baseline_shows_times() -> None:
    cases = {"switch": all_cases()["switch"]}
    results = summarize({"switch": {"y": {0: 5e-7}}}, "x", {}, rounds=1)
    assert table(results, cases, "x").splitlines()[2].split() == [
        *cases["switch"].title.split(),
        "y",
        "500",
    ]
