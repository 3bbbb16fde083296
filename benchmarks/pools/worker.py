"""One measurement, in a fresh process: python -m benchmarks.pools.worker CASE CONTENDER SECONDS.

Prints the figures as JSON. The cyclic garbage collector is on, as it is in the programs that
have thousands of calls in flight: what a pool allocates for a call is a part of what it costs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from benchmarks.figures import Measurement
from benchmarks.inside import A_MEASUREMENT_S, printed
from benchmarks.load.compiled import compiled
from benchmarks.load.output import output
from benchmarks.pools.cases import CASES, PoolCase
from benchmarks.pools.contenders import CONTENDERS, Contender


def measure(case: str, contender: str, seconds: float) -> Measurement:
    """Return the figures of one measurement, made in a fresh process.

    Raises:
        MeasurementError: it failed.
    """
    if CONTENDERS[contender].opened is None:
        return of_the_floor(CONTENDERS[contender].program, seconds)
    figures: Measurement = printed("pools.worker", case, contender, str(seconds))
    return figures


def of_the_floor(program: str, seconds: float) -> Measurement:
    cores = sorted(os.sched_getaffinity(0))
    command = [str(compiled(program)), str(cores[0]), str(cores[-1]), str(seconds)]
    ns, cpu_ns = map(float, output(command, A_MEASUREMENT_S).split())
    return {"us": ns / 1e3, "cpu_us": cpu_ns / 1e3}


def measured_here(case: PoolCase, contender: Contender, seconds: float) -> Measurement:
    async def main() -> Measurement:
        assert contender.opened is not None
        async with contender.opened() as submit:
            return await case.run(submit, seconds)

    with asyncio.Runner(loop_factory=contender.new_loop()) as runner:
        return runner.run(main())


if __name__ == "__main__":
    name, pool, length = sys.argv[1:]
    print(json.dumps(measured_here(CASES[name], CONTENDERS[pool], float(length))))
