"""Timers among many that wait: a server's timeouts, one for each request in flight."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter

from benchmarks.case import Case

PENDING = 1_000
A_TURN = 100


def never() -> None:
    raise AssertionError("a cancelled timer ran")


async def run(operations: int) -> float:
    loop = asyncio.get_running_loop()
    pending = deque(loop.call_later(60.0, never) for _ in range(PENDING))
    turns, rest = divmod(operations, A_TURN)
    begin = perf_counter()
    for count in [A_TURN] * turns + [rest]:
        for _ in range(count):
            pending.append(loop.call_later(60.0, never))
            pending.popleft().cancel()
        await asyncio.sleep(0)
    took = perf_counter() - begin
    for timer in pending:
        timer.cancel()
    return took


CASE = Case("timeouts", f"a timer set, one of {PENDING:,} cancelled", run)
