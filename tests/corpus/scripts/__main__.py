"""Runs the programs some times, partly beside a busy core; prints how often each was right."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path

from tests.corpus.harness import busy_core
from tests.corpus.scripts.script import Outcome, Script, run, scripts

BUSY_RUNS = 0.4
"""The share of the runs in which another process keeps one core busy."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.scripts", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of names of programs")
    parser.add_argument("--runs", type=int, default=5, help="how often each is run (5)")
    parser.add_argument("--least", type=float, default=0.97, help="the share to reach (0.97)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep what was told of those that were wrong"
    )
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    chosen = [
        script
        for script in scripts()
        if not options.words or any(word in script.name for word in options.words)
    ]
    able = [script for script in chosen if not script.missing]
    for script in chosen:
        if missing := script.missing:
            print(f"{script.name} is left out, without {', '.join(missing)}", file=sys.stderr)
    outcomes: defaultdict[Script, list[Outcome]] = defaultdict(list)
    began = time.monotonic()
    for number in range(options.runs):
        is_busy = number >= options.runs * (1 - BUSY_RUNS)
        with busy_core() if is_busy else nullcontext():
            for script in able:
                outcome = run(script, options.keep)
                outcomes[script].append(outcome)
                if outcome.wrong:
                    print(f"run {number + 1}: {outcome}", file=sys.stderr, flush=True)
        print(f"run {number + 1}, {time.monotonic() - began:.0f} s", file=sys.stderr)
    for script, those in outcomes.items():
        print(f"{script.name:40} {sum(not one.wrong for one in those)}/{len(those)}")
    every = [one for those in outcomes.values() for one in those]
    shares = []
    for what, is_harmless in (("told right", False), ("left in peace", True)):
        those = [one for one in every if one.script.is_harmless == is_harmless]
        if those:
            shares.append(sum(not one.wrong for one in those) / len(those))
            print(f"{shares[-1]:.2%} of {len(those)} were {what}")
    return 0 if min(shares, default=1.0) >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
