"""Runs CPython's own asyncio tests on Fournil's loop, and compares with asyncio's."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.conformance import deviations
from tests.conformance.checking import Checked, check, check_one_loop
from tests.conformance.suite import ASYNCIO


def main() -> int:
    options = parser().parse_args()
    reason = ASYNCIO.missing()
    if reason is not None:
        print(f"nothing was run: {reason}", file=sys.stderr)
        return 2
    names = [name for name in options.only.split(",") if name]
    modules = {
        module: part for module in ASYNCIO.modules() if (part := part_of(module, names)) != []
    }
    if not modules:
        print(f"no module is called {options.only!r}; there are:", *ASYNCIO.modules())
        return 2
    listed = {} if options.all else deviations.listed()

    def run(module: str) -> Checked:
        if options.loop == "both":
            return check(module, listed, modules[module], quick=options.quick)
        return check_one_loop(module, options.loop, listed, modules[module])

    began = time.monotonic()
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for module, checked in zip(modules, pool.map(run, modules), strict=True):
            show(module, checked, verbose=options.verbose)
            results.append(checked)
    wrong = sum(len(checked.wrong) for checked in results)
    print(
        f"{platform.python_version()}: {tally(results)}; {wrong} wrong"
        f" ({time.monotonic() - began:.0f} s)"
    )
    return 1 if wrong else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    add = made.add_argument
    add("--only", default="", metavar="NAMES", help="modules, classes or tests, by comma")
    add(
        "--loop",
        choices=["both", "asyncio", "fournil"],
        default="both",
        help="one loop alone is fast, but shows what fails on asyncio's loop too",
    )
    add("--quick", action="store_true", help="on asyncio's loop, run what fails on ours alone")
    add("--jobs", type=int, default=1, help="how many modules run at once (1)")
    add("--all", action="store_true", help="show what the table of deviations lists, too")
    add("--verbose", action="store_true", help="show whole tracebacks")
    return made


def part_of(module: str, names: Sequence[str]) -> Collection[str] | None:
    """Return what is asked for of a module; None: all of it."""
    if not names or module in names:
        return None
    return [name for name in names if name.startswith(f"{module}.")]


def show(module: str, checked: Checked, *, verbose: bool) -> None:
    for wrong in checked.wrong:
        print(wrong, flush=True)
        if verbose and wrong.outcome.detail:
            print(wrong.outcome.detail, flush=True)
    for wrong in checked.unsteady:
        print(f"unsteady, passes when run again: {wrong}", flush=True)
    seconds = sum(
        outcome.seconds for run in (checked.ours, checked.theirs) for outcome in run.values()
    )
    print(f"{module}: {tally([checked])} ({seconds:.1f} s)", file=sys.stderr, flush=True)


def tally(results: Sequence[Checked]) -> str:
    """Say how many tests ended how, on each loop."""
    sentences = []
    for loop, runs in (
        ("fournil", [checked.ours for checked in results]),
        ("asyncio", [checked.theirs for checked in results]),
    ):
        states = Counter(outcome.state for run in runs for outcome in run.values())
        if states:
            counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
            on_ours = sum(outcome.loops > 0 for run in runs for outcome in run.values())
            sentences.append(
                f"{loop} {counts}" + (f" ({on_ours} made loops of ours)" if on_ours else "")
            )
    return "; ".join(sentences)


if __name__ == "__main__":
    sys.exit(main())
