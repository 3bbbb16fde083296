"""A task made and awaited, again and again."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.case import Case


async def nothing() -> None:
    pass


async def run(operations: int) -> float:
    begin = perf_counter()
    for _ in range(operations):
        await asyncio.create_task(nothing())
    return perf_counter() - begin


CASE = Case("spawn", "a task made and awaited", run)
