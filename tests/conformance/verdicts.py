"""Which outcomes are wrong. Pure: outcomes in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.conformance.running import Outcome, Outcomes

FAILURES = frozenset({"failed", "hung", "crashed", "not run"})


class Wrong(NamedTuple):
    """A test of which something must be done."""

    test: str
    what: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.test}: {self.what}"


def unlisted(ours: Outcomes, theirs: Outcomes, listed: Mapping[str, str]) -> list[Wrong]:
    """Return what passes on asyncio's loop and not on ours, or fails on ours alone, unlisted."""
    wrong = []
    for test, their in theirs.items():
        our = ours.get(test, Outcome("not run", "our loop's run does not have this test"))
        if their.state == "passed" and our.state != "passed" and test not in listed:
            wrong.append(Wrong(test, _describe(our), our))
    # As where a module cannot be loaded, or the process dies between two tests.
    wrong += [
        Wrong(test, _describe(our), our)
        for test, our in ours.items()
        if our.state in FAILURES and test not in theirs and test not in listed
    ]
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
        if outcome.state in FAILURES and test not in listed
    ]


def in_question(ours: Outcomes) -> set[str]:
    """Return the tests whose outcome on asyncio's loop matters: the others pass on ours."""
    return {test for test, outcome in ours.items() if outcome.state != "passed"}


def _describe(outcome: Outcome) -> str:
    return f"{outcome.state}: {outcome.last_line}" if outcome.detail else outcome.state
