"""Runs the tests of well-known packages on asyncio's loop and on Fournil's, and compares."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections import Counter

from tests.conformance import verdicts
from tests.conformance.packages.preparing import Place, prepare
from tests.conformance.packages.projects import PROJECTS, Project
from tests.conformance.packages.suites import run_suite
from tests.conformance.running import Outcomes
from tests.conformance.verdicts import Wrong

TRIES = 3


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.packages", description=__doc__
    )
    parser.add_argument("--only", default="", metavar="NAMES", help="some packages, by comma")
    parser.add_argument("--verbose", action="store_true", help="say what was not passed on asyncio")
    options = parser.parse_args()
    names = {name for name in options.only.split(",") if name}
    if unknown := names - {project.name for project in PROJECTS}:
        parser.error(f"no such package: {', '.join(unknown)}")
    failed = False
    for project in PROJECTS:
        if names and project.name not in names:
            continue
        try:
            place = prepare(project)
        except subprocess.CalledProcessError as error:
            print(f"{project.name} {project.version}: not prepared: {error}", flush=True)
            failed = True
            continue
        failed |= not check(project, place, verbose=options.verbose)
    return 1 if failed else 0


def check(project: Project, place: Place, *, verbose: bool) -> bool:
    """Run a package's tests on both loops; return whether ours fails no test more."""
    theirs = run_suite(project, place, "asyncio")
    ours = run_suite(project, place, "fournil")
    wrong, unsteady = compare(project, place, ours, theirs)
    name = f"{project.name} {project.version}, Python {platform.python_version()}"
    print(
        f"{name}: asyncio {tally(theirs)}; fournil {tally(ours)}"
        f" ({sum(outcome.loops > 0 for outcome in ours.values())} made loops of ours);"
        f" {len(wrong)} wrong",
        flush=True,
    )
    for test in wrong:
        print(f"  {test}", flush=True)
    for test in unsteady:
        print(f"  unsteady, passes when run again: {test}", flush=True)
    if verbose:
        for test in verdicts.not_passed(theirs, {}):
            print(f"  on asyncio's loop: {test}", flush=True)
    # A suite of which nothing runs says nothing.
    return not wrong and any(outcome.state == "passed" for outcome in theirs.values())


def compare(
    project: Project, place: Place, ours: Outcomes, theirs: Outcomes
) -> tuple[list[Wrong], list[Wrong]]:
    """Return what fails on ours alone again and again, and what only at first."""
    first = wrong = verdicts.unlisted(ours, theirs, project.listed)
    for _ in range(TRIES - 1):
        if not wrong:
            break
        ours |= run_suite(project, place, "fournil", [test.test for test in wrong])
        wrong = verdicts.unlisted(ours, theirs, project.listed)
    again = {test.test for test in wrong}
    return wrong, [test for test in first if test.test not in again]


def tally(outcomes: Outcomes) -> str:
    states = Counter(outcome.state for outcome in outcomes.values())
    return ", ".join(f"{count} {state}" for state, count in states.most_common())


if __name__ == "__main__":
    sys.exit(main())
