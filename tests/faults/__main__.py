"""Does each fault many times, in pools under load, and says what did not hold."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.faults.harness import NAMES, do


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="how often each is done (200)")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)}")
    options = parser.parse_args()
    if unknown := set(options.only) - set(NAMES):
        parser.error(f"there are no faults {sorted(unknown)}, but {', '.join(NAMES)}")
    failed = 0
    for name in options.only or NAMES:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                do(name, options.times, Path(folder), options.seed)
            except Exception:
                traceback.print_exc()
                failed += 1
                told = "FAILED"
            else:
                told = "held"
        print(f"{name:<32} {told:<8} {time.monotonic() - began:6.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
