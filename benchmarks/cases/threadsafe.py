"""Callbacks from another thread, in bursts; each burst wakes the waiting loop up.

One callback at a time would measure how the kernel switches threads, which is the same for
every loop.
"""

from __future__ import annotations

import asyncio
import threading
from time import perf_counter

from benchmarks.case import Case

BURST = 100


def nothing() -> None:
    pass


async def run(operations: int) -> float:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    begun = 0.0

    def send() -> None:
        nonlocal begun
        ran = threading.Semaphore(0)
        bursts, rest = divmod(operations, BURST)
        begun = perf_counter()
        for count in [BURST] * bursts + [rest]:
            for _ in range(count):
                loop.call_soon_threadsafe(nothing)
            loop.call_soon_threadsafe(ran.release)
            ran.acquire()
        loop.call_soon_threadsafe(done.set_result, None)

    thread = threading.Thread(target=send, name="sender")
    thread.start()
    await done
    took = perf_counter() - begun
    thread.join()
    return took


CASE = Case("threadsafe", "a callback from another thread", run)
