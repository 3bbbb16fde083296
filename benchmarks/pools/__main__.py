"""Run the benchmarks of the pools: python -m benchmarks.pools."""

import sys

from benchmarks.pools.command import main

sys.exit(main())
