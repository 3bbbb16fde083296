"""Holds a module's outcomes on our loop against those on asyncio's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from tests.conformance import verdicts
from tests.conformance.running import Outcomes, run_module
from tests.conformance.verdicts import Wrong


class Checked(NamedTuple):
    """What came of a module."""

    ours: Outcomes
    theirs: Outcomes
    wrong: list[Wrong]
    unsteady: list[Wrong]  # failed on our loop, and passed when its class was run again


def check(
    module: str, listed: Mapping[str, str], only: Collection[str] | None, *, quick: bool
) -> Checked:
    """Run a module on both loops.

    Args:
        module: its name.
        listed: the tests that are known to fail on our loop.
        only: classes and tests; None: all.
        quick: run on asyncio's loop only what does not pass on ours; what is wrong is found
            all the same.
    """
    ours = run_module(module, "fournil", only)
    if not quick:
        theirs = run_module(module, "asyncio", only)
    elif in_question := verdicts.in_question(ours):
        theirs = run_module(module, "asyncio", in_question)
    else:
        theirs = {}
    first = verdicts.unlisted(ours, theirs, listed)
    if first:
        # With its class, since one test may fail by what another one left.
        again = run_module(module, "fournil", {class_of(wrong.test) for wrong in first})
        ours |= {wrong.test: again[wrong.test] for wrong in first if wrong.test in again}
    failed_again = verdicts.unlisted(ours, theirs, listed)
    tests = {wrong.test for wrong in failed_again}
    return Checked(
        ours,
        theirs,
        failed_again + verdicts.wrongly_listed(ours, listed),
        [wrong for wrong in first if wrong.test not in tests],
    )


def check_one_loop(
    module: str, loop: str, listed: Mapping[str, str], only: Collection[str] | None
) -> Checked:
    """Run a module on one loop: all that fails is wrong, but on ours what is listed."""
    outcomes = run_module(module, loop, only)
    if loop == "asyncio":
        return Checked({}, outcomes, verdicts.not_passed(outcomes, {}), [])
    wrong = verdicts.not_passed(outcomes, listed) + verdicts.wrongly_listed(outcomes, listed)
    return Checked(outcomes, {}, wrong, [])


def class_of(test: str) -> str:
    """Return module.Class of module.Class.method."""
    return test.rpartition(".")[0]
