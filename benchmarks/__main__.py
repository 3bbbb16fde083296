"""Run the benchmarks: python -m benchmarks."""

import signal
import sys

from benchmarks.command import main

# What was started is ended then too.
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
sys.exit(main())
