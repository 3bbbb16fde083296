"""Which outcomes are wrong. Pure: outcomes in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.conformance.running import Outcome, Outcomes


class Wrong(NamedTuple):
    """A test of which something must be done."""

    test: str
    what: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.test}: {self.what}"


def unlisted(ours: Outcomes, theirs: Outcomes, listed: Mapping[str, str]) -> list[Wrong]:
    """Return the tests that pass on asyncio's loop and not on ours, and are not listed."""
    wrong = []
    for test, their in theirs.items():
        our = ours.get(test, Outcome("not run", "our loop's run does not have this test"))
        if their.state == "passed" and our.state != "passed" and test not in listed:
            wrong.append(Wrong(test, _describe(our), our))
    return wrong


def wrongly_listed(ours: Outcomes, listed: Mapping[str, str]) -> list[Wrong]:
    """Return the tests that are listed and pass."""
    return [
        Wrong(test, "is listed as a deviation but passes; take it off the list", outcome)
        for test, outcome in ours.items()
        if test in listed and outcome.state == "passed"
    ]


def not_passed(outcomes: Outcomes, listed: Mapping[str, str]) -> list[Wrong]:
    """Return the tests that fail on the loop that was run, and are not listed."""
    return [
        Wrong(test, _describe(outcome), outcome)
        for test, outcome in outcomes.items()
        if outcome.state in {"failed", "hung", "crashed", "not run"} and test not in listed
    ]


def in_question(ours: Outcomes) -> set[str]:
    """Return the tests whose outcome on asyncio's loop matters: the others pass on ours."""
    return {test for test, outcome in ours.items() if outcome.state != "passed"}


def _describe(outcome: Outcome) -> str:
    return f"{outcome.state}: {outcome.last_line}" if outcome.detail else outcome.state
