"""Runs all pairs, or those whose names contain a word, and prints a table."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.pairs.measure import line, measure, table, wrong
from tests.pairs.pairs import PAIRS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pairs", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of names of pairs")
    parser.add_argument("--runs", type=int, default=3, help="of each pair that are judged")
    parser.add_argument("--most", type=int, help="of each pair, where others disturb them")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what was run")
    options = parser.parse_args()
    chosen = [
        pair
        for pair in PAIRS
        if pair.can_run and (not options.words or any(word in pair.name for word in options.words))
    ]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in chosen:
            most = options.most or options.runs + 2
            results.append(measure(pair, options.keep or Path(folder), options.runs, most))
            print(line(results[-1]), flush=True)
    told = list(table(results))
    print("\n".join(told[1 + len(results) :]))
    found = wrong(results)
    print("\n".join(f"WRONG: {one}" for one in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
