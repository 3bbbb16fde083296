"""Each blocker once; `python -m tests.corpus` runs each many times, and from everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.corpus.blocker import Blocker
from tests.corpus.blockers import BLOCKERS
from tests.corpus.harness import OTHER_WAYS, Case, Outcome, busy_core, crowds, run

SECONDS = 0.2
ENOUGH = 0.9
"""Chance decides at which moments a step is looked at, and so does the machine's load."""


@pytest.fixture(autouse=True)
def busy() -> Iterator[None]:
    with busy_core():
        yield


def cases_of(blockers: Sequence[Blocker]) -> list[Case]:
    """Return each blocker in a task, and those that run everywhere also in one other way."""
    cases = [Case("task", (blocker,)) for blocker in blockers]
    everywhere = [blocker for blocker in blockers if blocker.everywhere]
    for index, blocker in enumerate(everywhere):
        cases.append(Case(OTHER_WAYS[index % len(OTHER_WAYS)], (blocker,)))
    return cases


def wrong(outcomes: Sequence[Outcome]) -> list[str]:
    return [str(outcome) for outcome in outcomes if not outcome.right]


def test_the_corpus_is_large_enough() -> None:
    kinds = Counter(blocker.kind for blocker in BLOCKERS.values())
    everywhere = Counter(blocker.kind for blocker in BLOCKERS.values() if blocker.everywhere)
    assert kinds.keys() == {"waiting", "python", "native", "native-gil"}
    assert min(kinds.values()) >= 7
    assert all(3 <= everywhere[kind] for kind in kinds)
    assert len({(blocker.file, blocker.line) for blocker in BLOCKERS.values()}) == len(BLOCKERS)


def test_blockers_that_wait() -> None:
    cases = cases_of([blocker for blocker in BLOCKERS.values() if blocker.kind == "waiting"])
    missed = [case for case, seen in zip(cases, run(cases, seconds=SECONDS)) if not seen.right]
    # A step is not seen when the machine leaves the watch no time for as long as it lasts.
    assert wrong(run(missed, seconds=3 * SECONDS)) == []


def test_blockers_on_the_cpu() -> None:
    cases = cases_of([blocker for blocker in BLOCKERS.values() if blocker.kind != "waiting"])
    outcomes = run(cases, seconds=SECONDS)
    assert len(wrong(outcomes)) <= (1 - ENOUGH) * len(outcomes), wrong(outcomes)


def test_loops_that_block_at_once() -> None:
    outcomes = run(crowds(), seconds=SECONDS)
    assert len(wrong(outcomes)) <= (1 - ENOUGH) * len(outcomes), wrong(outcomes)
