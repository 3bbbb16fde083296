"""What the demo finds wrong with a pair of reports."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
import verdict
from verdict import Mistake

FILE = "/bakery/blocking.py"


def blocked(line: int, blocker: str | None, to: str | None) -> dict[str, Any]:
    advice = to and {"to": to}
    return {"file": FILE, "line": line, "class": blocker, "advice": advice, "longest_s": 0.25}


def report(run_s: float, estimated_s: float | None, *found: dict[str, Any]) -> verdict.Report:
    estimate = None if estimated_s is None else {"run_s": estimated_s}
    return {"run_s": run_s, "estimate": estimate, "blocked": list(found)}


def test_doctests() -> None:
    assert doctest.testmod(verdict).failed == 0


MADE = [Mistake(3, "waiting"), Mistake(7, "python")]
WAITING, PYTHON = blocked(3, "waiting", "await"), blocked(7, "python", "process")


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ([WAITING, PYTHON], []),
        ([PYTHON, WAITING, blocked(7, "native-gil", "process")], []),
        ([WAITING], [f"{FILE}:7: blocks the loop (python), and was not named"]),
        (
            [WAITING, blocked(8, "python", "process")],
            [
                f"{FILE}:7: blocks the loop (python), and was not named",
                f"{FILE}:8: was named, and is no mistake",
            ],
        ),
        (
            [WAITING, blocked(7, "native-gil", "process"), PYTHON],
            [f"{FILE}:7: is python, and was called native-gil"],
        ),
        ([WAITING, blocked(7, "python", None)], [f"{FILE}:7: was named without an advice"]),
        (
            [WAITING, blocked(7, "python", "thread")],
            [f"{FILE}:7: is python, and its advice is: thread"],
        ),
    ],
)
def test_misnamed(found: list[dict[str, Any]], wrong: list[str]) -> None:
    assert list(verdict.misnamed(report(2.0, 1.0, *found), FILE, MADE)) == wrong


def test_still_blocked() -> None:
    first = report(2.0, 1.0, WAITING, PYTHON)
    assert list(verdict.still_blocked(first, report(1.0, None))) == []
    # The machine may hold a step up, for a shorter time.
    assert list(verdict.still_blocked(first, report(1.0, None, PYTHON | {"longest_s": 0.2}))) == []
    assert list(verdict.still_blocked(first, report(1.0, None, PYTHON))) == [
        f"{FILE}:7: blocked the mended version for 0.250 s (python)"
    ]


def test_praise_is_true() -> None:
    first = report(2.0, 1.5, WAITING, PYTHON)
    assert "gave the same answers and blocked nothing." in verdict.praise(first, report(1.5, None))
    held_up = report(1.5, None, PYTHON | {"longest_s": 0.06})
    assert "gave the same answers and blocked its loop for at most 60.0 ms." in verdict.praise(
        first, held_up
    )
    assert "The estimated run time is off by -25%." in verdict.praise(first, report(2.0, None))


@pytest.mark.parametrize("estimated_s", [1.5, 2.0, 2.5])
def test_a_good_estimate(estimated_s: float) -> None:
    assert list(verdict.misjudged(report(9.0, estimated_s), report(2.0, None))) == []


@pytest.mark.parametrize("estimated_s", [1.49, 2.51])
def test_a_bad_estimate(estimated_s: float) -> None:
    (fault,) = verdict.misjudged(report(9.0, estimated_s), report(2.0, None))
    assert fault.startswith(
        f"the run time was estimated at {estimated_s} s, and measured at 2.00 s"
    )


def test_no_estimate() -> None:
    assert list(verdict.misjudged(report(9.0, None), report(2.0, None))) == [
        "there is no estimate of what the advice gains"
    ]
