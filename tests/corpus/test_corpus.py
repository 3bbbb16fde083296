"""Each blocker once; `python -m tests.corpus` runs each many times, and from everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.corpus.blocker import Blocker, Class
from tests.corpus.blockers import BLOCKERS
from tests.corpus.harness import OTHER_WAYS, Case, busy_core, crowds, run

SECONDS = 0.16
FEW = 0.1
"""The share that may be wrong: chance, and what else the machine does, decide at which moments
a step is looked at."""


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


def wrong(cases: Sequence[Case]) -> list[str]:
    """Return what is seen wrong twice."""
    missed = {outcome.case for outcome in run(cases, seconds=SECONDS) if not outcome.right}
    # A short step is not seen when the machine leaves the watch no time for as long as it lasts.
    again = run([case for case in cases if case in missed], seconds=3 * SECONDS)
    return [str(outcome) for outcome in again if not outcome.right]


def test_the_corpus_is_large_enough() -> None:
    kinds = Counter(blocker.kind for blocker in BLOCKERS.values())
    everywhere = Counter(blocker.kind for blocker in BLOCKERS.values() if blocker.everywhere)
    assert kinds.keys() == {"waiting", "python", "native", "native-gil"}
    assert min(kinds.values()) >= 7
    assert all(everywhere[kind] >= 3 for kind in kinds)
    assert len({(blocker.file, blocker.line) for blocker in BLOCKERS.values()}) == len(BLOCKERS)


@pytest.mark.parametrize("kind", ["waiting", "python", "native", "native-gil"])
def test_each_blocker(kind: Class) -> None:
    cases = cases_of([blocker for blocker in BLOCKERS.values() if blocker.kind == kind])
    found = wrong(cases)
    assert len(found) <= (0 if kind == "waiting" else FEW * len(cases)), found


def test_loops_that_block_at_once() -> None:
    cases = crowds()
    count = sum(len(case.blockers) for case in cases)
    found = wrong(cases)
    assert len(found) <= FEW * count, found
