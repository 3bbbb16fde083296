"""What is awaited of a pool, and what is measured of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter, process_time

from benchmarks.figures import CPU, PER_SECOND, Figure, Kind, Measurement

Submit = Callable[[Callable[[], None]], Awaitable[object]]
"""Has a pool call a function; what it returns is awaited for the result."""

HOP = Kind("one call after the other", Figure("us", "us", digits=1), (CPU,))
BURST = Kind("calls awaited at once", PER_SECOND, (CPU,))

WORKERS = 2


def nothing() -> None:
    pass


@dataclass(frozen=True)
class PoolCase:
    """One benchmark.

    Attributes:
        name: as given to --only and as stored.
        title: in the table.
        kind: what is measured of it.
        run: makes calls for about so many seconds; returns the figures.
        floor: whether the hop in C can stand in for a pool.
    """

    name: str
    title: str
    kind: Kind
    run: Callable[[Submit, float], Awaitable[Measurement]]
    floor: bool = False


async def hop(submit: Submit, seconds: float) -> Measurement:
    for _ in range(200):
        await submit(nothing)
    calls = 0
    cpu = process_time()
    began = perf_counter()
    while (took := perf_counter() - began) < seconds:
        for _ in range(100):
            await submit(nothing)
        calls += 100
    return {"us": took / calls * 1e6, "cpu_us": (process_time() - cpu) / calls * 1e6}


def burst_of(calls: int) -> Callable[[Submit, float], Awaitable[Measurement]]:
    async def burst(submit: Submit, seconds: float) -> Measurement:
        await asyncio.gather(*(submit(nothing) for _ in range(100)))
        done = 0
        cpu = process_time()
        began = perf_counter()
        while not done or perf_counter() - began < seconds:
            await asyncio.gather(*(submit(nothing) for _ in range(calls)))
            done += calls
        took = perf_counter() - began
        return {"per_second": done / took, "cpu_us": (process_time() - cpu) / done * 1e6}

    return burst


CASES = {
    case.name: case
    for case in (
        PoolCase("pools-thread-hop", "a no-op in a thread, 2 workers", HOP, hop, floor=True),
        PoolCase(
            "pools-thread-burst",
            "20,000 no-ops in threads, 2 workers",
            BURST,
            burst_of(20_000),
        ),
    )
}
