"""Tries all programs, or those whose names contain a word, and prints a table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.advice.programs import PROGRAMS
from tests.advice.trial import try_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.advice", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of names of programs")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what was run")
    options = parser.parse_args()
    chosen = [
        program
        for program in PROGRAMS
        if program.can_run
        and (not options.words or any(word in program.name for word in options.words))
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = try_all(chosen, options.keep or Path(folder))
    print(f"{'program':28} {'to':8} {'blocked':>15} {'run':>15} {'told':>15}")
    for result in results:
        to = result.advice.to if result.advice else ""
        blocked = f"{result.blocked_before_s:.3f} > {result.blocked_after_s:.3f}"
        run = f"{result.before_s:.3f} > {result.after_s:.3f}"
        told = "" if result.told_s is None else f"{result.told_s[0]:.3f} - {result.told_s[1]:.3f}"
        busy = "" if result.was_quiet else " (others used the machine)"
        wrong = f"  WRONG{busy}: {result.wrong}" if result.wrong else ""
        print(f"{result.program.name:28} {to:8} {blocked:>15} {run:>15} {told:>15}{wrong}")
    right = sum(not result.wrong for result in results)
    print(f"\n{right} of {len(results)} are right")
    return 0 if right == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
