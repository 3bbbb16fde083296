"""Many tasks that take turns, and many timers that wait: what one step costs among them.

A switch takes as many instructions among 50,000 tasks as among 100. It takes more time, on every
loop: of so many tasks and their frames, each is fetched from memory when its turn comes.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter

from benchmarks.case import Case

COUNTS = (100, 100_000)


async def among_tasks(count: int, operations: int) -> float:
    """Take turns in so many tasks, at least two each."""
    steps = max(2, operations // count)

    async def take_turns() -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(take_turns()) for _ in range(count)]
    await asyncio.sleep(0)  # each has begun
    begin = perf_counter()
    await asyncio.gather(*tasks)
    return (perf_counter() - begin) * operations / (steps * count)


async def among_timers(count: int, operations: int) -> float:
    """Set and cancel timers, due at any time, while so many others wait."""
    loop = asyncio.get_running_loop()
    delays = [60.0 + (number * 7919 % 10_007) / 100 for number in range(count)]
    waiting = [loop.call_later(delay, print) for delay in delays]
    begin = perf_counter()
    for number in range(operations):
        loop.call_later(delays[number % count], print).cancel()
        if number % 100 == 0:
            await asyncio.sleep(0)
    taken = perf_counter() - begin
    for timer in waiting:
        timer.cancel()
    return taken


CASES = [
    Case(f"{name}-{count}", f"{title} {count:,}", partial(run, count), default=count > 100)
    for name, title, run in (
        ("scale-tasks", "a task switch among", among_tasks),
        ("scale-timers", "a timer set and cancelled among", among_timers),
    )
    for count in COUNTS
]
