"""What is awaited of a pool, and what is measured of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Any, Literal

from benchmarks.figures import CPU, PER_SECOND, Figure, Kind, Measurement

Submit = Callable[..., Awaitable[Any]]
"""Has a pool call a function with arguments; what it returns is awaited for the result."""

HOP = Kind("one call after the other", Figure("us", "us", digits=1), (CPU,))
FROZEN = Figure("frozen_ms", "loop frozen, ms", digits=1)
BURST = Kind("calls awaited at once", PER_SECOND, (CPU, FROZEN))
ARRAY = Kind(
    "256 MB to a worker, and another 256 MB back",
    Figure("there_ms", "there, ms", digits=1),
    (Figure("back_ms", "back, ms", digits=1), Figure("copy_ms", "one copy, ms", digits=1)),
)

WORKERS = 2


def nothing() -> None:
    pass


Workers = Literal["threads", "default", "processes", "interpreters"]


@dataclass(frozen=True)
class PoolCase:
    """One benchmark.

    Attributes:
        name: as given to --only and as stored.
        title: in the table.
        workers: what runs the functions; "default": the threads of a loop's default executor, of
            which there are as many as processors and four.
        kind: what is measured of it.
        run: makes calls for about so many seconds; returns the figures.
        floor: whether the hop in C can stand in for a pool.
    """

    name: str
    title: str
    workers: Workers
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
        frozen = 0.0

        async def watch() -> None:
            nonlocal frozen
            last = perf_counter()
            while True:
                await asyncio.sleep(0.001)
                now = perf_counter()
                frozen = max(frozen, now - last - 0.001)
                last = now

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        cpu = process_time()
        began = perf_counter()
        while not done or perf_counter() - began < seconds:
            await asyncio.gather(*(submit(nothing) for _ in range(calls)))
            done += calls
        took = perf_counter() - began
        cpu_us = (process_time() - cpu) / done * 1e6
        watching.cancel()
        return {"per_second": done / took, "cpu_us": cpu_us, "frozen_ms": frozen * 1e3}

    return burst


def first(array: Any) -> float:
    return float(array[0])


_kept: Any = None


def kept(items: int) -> Any:
    """Return an array that the worker has already."""
    global _kept
    if _kept is None:
        import numpy as np

        _kept = np.ones(items)
    return _kept


async def array_there_and_back(submit: Submit, seconds: float) -> Measurement:
    import numpy as np

    items = (256 << 20) // 8
    array = np.ones(items)
    there: list[float] = []
    back: list[float] = []
    ended = perf_counter() + seconds
    while len(there) < 6 or perf_counter() < ended:
        began = perf_counter()
        await submit(first, array)
        there.append(perf_counter() - began)
        began = perf_counter()
        returned = await submit(kept, items)
        back.append(perf_counter() - began)
        del returned  # the pool may have its memory back
    copies = []
    made = np.ones(items)
    for _ in range(3):
        began = perf_counter()
        made[:] = array
        copies.append(perf_counter() - began)
    # The first ones map memory, which later ones use again.
    return {
        "there_ms": median(there[2:]) * 1e3,
        "back_ms": median(back[2:]) * 1e3,
        "copy_ms": median(copies) * 1e3,
    }


CASES = {
    case.name: case
    for case in (
        PoolCase(
            "pools-thread-hop", "a no-op in a thread, 2 workers", "threads", HOP, hop, floor=True
        ),
        PoolCase(
            "pools-thread-burst",
            "20,000 no-ops in threads, 2 workers",
            "threads",
            BURST,
            burst_of(20_000),
        ),
        PoolCase(
            "pools-default-hop",
            "asyncio.to_thread of a no-op, by the loop's default executor",
            "default",
            HOP,
            hop,
        ),
        PoolCase(
            "pools-default-burst",
            "asyncio.to_thread of 10,000 no-ops, by the loop's default executor",
            "default",
            BURST,
            burst_of(10_000),
        ),
        PoolCase(
            "pools-process-hop",
            "a no-op in a process, 2 workers",
            "processes",
            HOP,
            hop,
            floor=True,
        ),
        PoolCase(
            "pools-process-burst",
            "10,000 no-ops in processes, 2 workers",
            "processes",
            BURST,
            burst_of(10_000),
        ),
        PoolCase(
            "pools-interpreter-hop",
            "a no-op in an interpreter, 2 workers",
            "interpreters",
            HOP,
            hop,
        ),
        PoolCase(
            "pools-interpreter-burst",
            "10,000 no-ops in interpreters, 2 workers",
            "interpreters",
            BURST,
            burst_of(10_000),
        ),
        PoolCase(
            "pools-process-array",
            "an array of 256 MB, 2 workers",
            "processes",
            ARRAY,
            array_there_and_back,
        ),
    )
}
