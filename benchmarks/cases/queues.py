"""Two tasks that send each other a token through two queues: wake-ups by futures."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.case import Case


async def answer(calls: asyncio.Queue[int], answers: asyncio.Queue[int]) -> None:
    while True:
        await answers.put(await calls.get())


async def run(operations: int) -> float:
    calls: asyncio.Queue[int] = asyncio.Queue()
    answers: asyncio.Queue[int] = asyncio.Queue()
    other = asyncio.create_task(answer(calls, answers))
    begin = perf_counter()
    for number in range(operations):
        await calls.put(number)
        await answers.get()
    took = perf_counter() - begin
    other.cancel()
    await asyncio.wait([other])
    return took


CASE = Case("queues", "a round trip through two queues", run)
