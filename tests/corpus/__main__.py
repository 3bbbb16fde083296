"""Runs the corpus many times and prints how often each blocker was seen right."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.corpus.blockers import BLOCKERS
from tests.corpus.harness import CROWD, OTHER_WAYS, Case, Outcome, busy_core, cases_of, crowds, run

WAYS = ("task", *OTHER_WAYS, CROWD)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="how often each is run (20)")
    parser.add_argument("--only", default="", metavar="NAMES", help="blockers or classes, by comma")
    parser.add_argument("--ways", default="", metavar="WAYS", help=f"some of {', '.join(WAYS)}")
    parser.add_argument("--least", type=float, default=0.97, help="the share to reach (0.97)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep recordings with misses")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    only = set(filter(None, options.only.split(",")))
    ways = set(filter(None, options.ways.split(","))) or set(WAYS)
    programs = [
        [case for case in cases if case.way in ways]
        for cases in every_program()
        if not only or only & {name for case in cases for name in names_of(case)}
    ]
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with busy_core():
        for number in range(options.runs):
            for cases in filter(None, programs):
                outcomes += run_and_show(cases, number, options.keep)
            print(f"run {number + 1}, {time.monotonic() - began:.0f} s", file=sys.stderr)
    print_table(outcomes)
    right = sum(outcome.right for outcome in outcomes) / len(outcomes)
    print(f"\n{right:.2%} of {len(outcomes)} were seen right")
    return 0 if right >= options.least else 1


def every_program() -> list[list[Case]]:
    return [cases_of(blocker) for blocker in BLOCKERS.values()] + [[case] for case in crowds()]


def names_of(case: Case) -> set[str]:
    return {name for blocker in case.blockers for name in (blocker.name, blocker.kind)}


def run_and_show(cases: list[Case], number: int, folder: Path | None) -> list[Outcome]:
    keep = folder / f"{number}-{cases[0]}" if folder else None
    outcomes = run(cases, keep=keep)
    misses = [outcome for outcome in outcomes if not outcome.right]
    for miss in misses:
        print(miss, file=sys.stderr, flush=True)
    if keep and not misses:
        keep.unlink()
    return outcomes


def print_table(outcomes: Iterable[Outcome]) -> None:
    right: defaultdict[str, Counter[str]] = defaultdict(Counter)
    of: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        name = outcome.blocker.name
        of[name][outcome.case.way] += 1
        right[name][outcome.case.way] += outcome.right
        if outcome.seen:
            seconds[name].append(outcome.seen.duration_s)
    print(f"{'class':11} {'blocker':23} {'s':>11} " + "".join(f"{way:>10}" for way in WAYS))
    for name, counts in of.items():
        shown = [f"{right[name][way]}/{counts[way]}" if way in counts else "" for way in WAYS]
        times = sorted(seconds[name]) or [0.0]
        lasted = f"{times[0]:.2f}-{times[-1]:.2f}"
        print(
            f"{BLOCKERS[name].kind:11} {name:23} {lasted:>11} "
            + "".join(f"{text:>10}" for text in shown)
        )


if __name__ == "__main__":
    sys.exit(main())
