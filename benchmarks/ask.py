"""One process, one client of a database server: python -m benchmarks.ask CASE LOOP SETTINGS.

Prints, as JSON, the figures of all its connections together, each of which asks, waits for the
answer, and asks again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time

from benchmarks.backing import BACKINGS
from benchmarks.case import Ask, Client, all_cases
from benchmarks.figures import Measurement
from benchmarks.loops import LOOPS, Loop
from benchmarks.plan import Settings


async def ask_again_and_again(ask: Ask, latencies: list[float], until: float) -> None:
    now = time.perf_counter()
    while now < until:
        await ask()
        before, now = now, time.perf_counter()
        latencies.append(now - before)


async def together(asks: list[Ask], seconds: float) -> Measurement:
    latencies: list[float] = []
    cpu, started = time.process_time(), time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(ask_again_and_again(ask, latencies, until) for ask in asks))
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    latencies.sort()
    p50, p99, p999 = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99, 0.999))
    return {
        "per_second": len(latencies) / took,
        "p50_us": p50 * 1e6,
        "p99_us": p99 * 1e6,
        "p999_us": p999 * 1e6,
        "cpu_us": cpu / len(latencies) * 1e6,
    }


async def run(case: Client, settings: Settings) -> Measurement:
    port = BACKINGS[case.backing].port()
    async with contextlib.AsyncExitStack() as stack:
        asks = [
            await stack.enter_async_context(case.connect(port)) for _ in range(case.connections)
        ]
        await together(asks, settings.warmup)
        return await together(asks, settings.window)


def measure(case: Client, loop: Loop, settings: Settings) -> Measurement:
    with loop.surroundings():
        # Only now: threads that the recorder started keep to all cores, this one to one.
        if settings.core is not None:
            os.sched_setaffinity(0, {settings.core})
        with asyncio.Runner(loop_factory=loop.load()) as runner:
            return runner.run(run(case, settings))


def main(case: str, loop: str, settings: str) -> None:
    measured = all_cases()[case]
    assert isinstance(measured, Client)
    print(json.dumps(measure(measured, LOOPS[loop], Settings(**json.loads(settings)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
