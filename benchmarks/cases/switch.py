"""A task that gives way again and again: the cost of one step of a task."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.case import Case


async def run(operations: int) -> float:
    begin = perf_counter()
    for _ in range(operations):
        await asyncio.sleep(0)
    return perf_counter() - begin


CASE = Case("switch", "a task switch, sleep(0)", run)
