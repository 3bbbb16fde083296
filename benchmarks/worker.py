"""One process, one measurement: python -m benchmarks.worker CASE LOOP SETTINGS.

Prints, as JSON, the seconds that an operation took, once for each repetition. The cyclic
garbage collector is off, as in `timeit`, for every loop alike.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Callable

from benchmarks.case import Case, all_cases
from benchmarks.loops import LOOPS, Loop
from benchmarks.plan import Settings


def enough_operations(run: Callable[[int], float], seconds: float) -> int:
    """Return how many operations take about `seconds`; running them also warms up."""
    operations = 100
    while (took := run(operations)) < seconds / 4:
        operations *= 2
    return max(1, round(operations * seconds / took))


def measure(case: Case, loop: Loop, settings: Settings) -> list[float]:
    with loop.surroundings():
        # Only now: threads that the recorder started keep to all cores, this one to one.
        if settings.core is not None:
            os.sched_setaffinity(0, {settings.core})
        with asyncio.Runner(loop_factory=loop.load()) as runner:

            def run(operations: int) -> float:
                return runner.run(_as_coroutine(case, operations))

            gc.collect()
            gc.freeze()
            gc.disable()
            operations = enough_operations(run, settings.seconds)
            return [run(operations) / operations for _ in range(settings.repeats)]


async def _as_coroutine(case: Case, operations: int) -> float:
    return await case.run(operations)


def main(case: str, loop: str, settings: str) -> None:
    measured = all_cases()[case]
    assert isinstance(measured, Case)
    taken = measure(measured, LOOPS[loop], Settings(**json.loads(settings)))
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
