"""Timers set and cancelled before they are due, as every timeout that is not reached."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.case import Case

# Loops put off part of a cancelled timer's work until their next turn, so turns are included.
A_TURN = 100


def never() -> None:
    raise AssertionError("a cancelled timer ran")


async def run(operations: int) -> float:
    loop = asyncio.get_running_loop()
    turns, rest = divmod(operations, A_TURN)
    begin = perf_counter()
    for count in [A_TURN] * turns + [rest]:
        for _ in range(count):
            loop.call_later(60.0, never).cancel()
        await asyncio.sleep(0)
    return perf_counter() - begin


CASE = Case("timers", "a timer set and cancelled at once", run)
