"""The plan of a run and what is made of its measurements."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

import pytest

from benchmarks.case import AnyCase, all_cases
from benchmarks.command import able_to_run, choose
from benchmarks.errors import MeasurementError
from benchmarks.figures import OPERATION, SERVICE, Kind
from benchmarks.plan import plan
from benchmarks.reason import reason
from benchmarks.report import tables
from benchmarks.run import Run
from benchmarks.summary import Results, summarize

CONTENDERS = {"a": ["x", "y"], "b": ["x", "y", "z"], "c": ["x"]}


def times(taken: Mapping[str, Mapping[int, float]]) -> Results:
    """Return the results of one case whose seconds are given by loop and round."""
    measured = {
        loop: {number: {"ns": seconds * 1e9} for number, seconds in rounds.items()}
        for loop, rounds in taken.items()
    }
    return summarize({"a": measured}, {"a": OPERATION}, "x", {"y": "x"}, rounds=3)


def a_second(**loops: float) -> Results:
    """Return the results of one service in one round."""
    others = {figure.name: 1.0 for figure in SERVICE.others}
    measured = {loop: {0: {"per_second": value, **others}} for loop, value in loops.items()}
    return summarize({ECHO: measured}, {ECHO: SERVICE}, "x", {"y": "x"}, rounds=1)


ECHO = "tcp-protocol-1KiB-50"


def lines(
    results: Results, names: list[str], absent: Mapping[str, Mapping[str, str]] | None = None
) -> list[list[str]]:
    cases: dict[str, AnyCase] = {name: all_cases()[name] for name in names}
    return [line.split() for line in tables(results, cases, "x", absent or {}).splitlines()]


# ---- the plan ----


def test_plan_measures_each_pair_once_a_round() -> None:
    steps = list(plan(CONTENDERS, rounds=4, seed=1))
    pairs = [(case, loop) for case, loops in CONTENDERS.items() for loop in loops]
    assert Counter(steps) == Counter({(n, *pair): 1 for n in range(4) for pair in pairs})


def test_plan_keeps_the_loops_of_a_case_together() -> None:
    steps = list(plan(CONTENDERS, rounds=4, seed=1))
    changes = sum(first[:2] != second[:2] for first, second in itertools.pairwise(steps))
    assert changes == 4 * len(CONTENDERS) - 1


def test_plan_orders_rounds_differently() -> None:
    steps = list(plan(CONTENDERS, rounds=20, seed=1))
    orders = {tuple(step[1:] for step in steps if step.round == number) for number in range(20)}
    assert len(orders) > 10


def test_patterns_reach_what_is_not_measured_by_default() -> None:
    cases = all_cases()
    assert choose(cases, [], everything=True) == cases
    assert choose(cases, [], everything=False).keys() < cases.keys()
    beyond = choose(cases, ["tcp-*-64B-1", "switch"], everything=False)
    assert {"switch", "tcp-sock-64B-1"} <= beyond.keys()
    assert all(name == "switch" or name.endswith("-64B-1") for name in beyond)
    assert choose(cases, ["nothing"], everything=True) == {}


def test_the_floor_stands_in_for_echoes_alone() -> None:
    cases = all_cases()
    assert able_to_run(["uvloop", "epoll-c"], cases[ECHO]) == ["uvloop", "epoll-c"]
    assert able_to_run(["uvloop", "epoll-c"], cases["switch"]) == ["uvloop"]


# ---- the summary ----


def test_ratios_are_taken_within_rounds() -> None:
    # The second round ran at half the speed, for both.
    result = times({"x": {0: 1e-6, 1: 2e-6}, "y": {0: 3e-6, 1: 6e-6}})["a"]["y"]["ns"]
    assert result["ratio"] == pytest.approx({"median": 3.0, "q1": 3.0, "q3": 3.0})
    assert result["value"]["median"] == pytest.approx(4500)
    assert result["rounds"] == [pytest.approx(3000), pytest.approx(6000), None]


def test_quartiles() -> None:
    taken = {"x": dict.fromkeys(range(5), 1e-9), "y": {n: n * 1e-9 for n in range(5)}}
    assert times(taken)["a"]["y"]["ns"]["ratio"] == pytest.approx({"median": 2, "q1": 1, "q3": 3})


def test_a_failed_round_counts_for_neither_side() -> None:
    results = times({"x": {1: 1e-9, 2: 1e-9}, "y": {0: 8e-9, 1: 2e-9, 2: 2e-9}, "z": {}})["a"]
    assert results["y"]["ns"]["ratio"] == pytest.approx({"median": 2, "q1": 2, "q3": 2})
    assert results["x"]["ns"]["rounds"] == [None, pytest.approx(1), pytest.approx(1)]
    assert "z" not in results


def test_the_time_that_a_loop_adds_is_taken_within_rounds() -> None:
    results = times({"x": {0: 1e-6, 1: 9e-6}, "y": {0: 3e-6, 1: 11e-6}})["a"]
    added = results["y"]["ns"]["added"]
    assert added == pytest.approx({"median": 2000, "q1": 2000, "q3": 2000})
    assert results["x"]["ns"]["added"] is None


def test_the_throughput_that_a_loop_adds_is_a_share() -> None:
    results = a_second(x=1000, y=960)[ECHO]
    added = results["y"]["per_second"]["added"]
    assert added == pytest.approx({"median": -4, "q1": -4, "q3": -4})


# ---- the report ----


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
    results = summarize({"switch": {"y": {0: {"ns": 500}}}}, {"switch": OPERATION}, "x", {}, 1)
    title = all_cases()["switch"].title.split()
    assert lines(results, ["switch"])[-1] == [*title, "y", "500"]


@pytest.mark.parametrize(("kind", "side"), [(OPERATION, "below"), (SERVICE, "above")])
def test_each_table_says_which_way_is_better(kind: Kind, side: str) -> None:
    name = "switch" if kind is OPERATION else ECHO
    heading = " ".join(lines({}, [name])[0])
    assert heading == f"# {kind.title}: a ratio {side} 1 is better than x"


def test_more_a_second_is_a_ratio_above_1() -> None:
    rows = lines(a_second(x=100_000, y=150_000), [ECHO])
    assert [row[0:3] for row in rows if row[:1] == ["y"]] == [["y", "150,000", "1.50"]]


def test_a_loop_without_figures_has_a_row_that_says_why() -> None:
    absent = {ECHO: {"z": "cannot: NotImplementedError"}}
    assert lines(a_second(x=100), [ECHO], absent)[-1] == ["z", "cannot:", "NotImplementedError"]


def test_only_what_failed_in_all_rounds_is_absent() -> None:
    run = Run(CONTENDERS)
    run.unable = {"a": {"x": "NotImplementedError"}}
    run.failed = {
        ("b", "x"): [MeasurementError("it broke")],
        ("b", "y"): [MeasurementError("")] * 2,
    }
    assert run.absent(2) == {"a": {"x": "cannot: NotImplementedError"}, "b": {"y": "failed"}}
    assert run.failures(2)[0] == "b on x, 1 of 2 rounds: it broke"
