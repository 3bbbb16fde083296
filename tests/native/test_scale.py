"""A step costs the same among few tasks and timers as among very many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import fournil

FEW, MANY = 100, 20_000

# What grows with their number grows 200-fold here; what a processor's caches cannot hold costs
# two or three times as much, and more where others use them too.
MOST = 30

Work = Callable[[int], Coroutine[Any, Any, float]]


async def tasks(count: int) -> float:
    """Return the time of a step of a task among `count`."""
    steps = 4 * MANY // count

    async def take_turns() -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    waiting = [asyncio.create_task(take_turns()) for _ in range(count)]
    await asyncio.sleep(0)
    begin = time.thread_time()
    await asyncio.gather(*waiting)
    return (time.thread_time() - begin) / (steps * count)


async def timers(count: int) -> float:
    """Return the time to set and cancel a timer while `count` others wait."""
    loop = asyncio.get_running_loop()
    waiting = [loop.call_later(1000 + number * 7919 % 10_007, str) for number in range(count)]
    begin = time.thread_time()
    for number in range(MANY):
        loop.call_later(1000 + number * 7919 % 10_007, str).cancel()
    taken = time.thread_time() - begin
    for timer in waiting:
        timer.cancel()
    return taken / MANY


async def waits(count: int) -> float:
    """Return the time of a turn that looks at the kernel while `count` descriptors wait there."""
    loop = asyncio.get_running_loop()
    transports = []
    for _ in range(count // 100):
        made = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        transports.append(made[0])
    begin = time.thread_time()
    for _ in range(2000):
        await asyncio.sleep(1e-9)
    taken = time.thread_time() - begin
    for transport in transports:
        transport.close()
    return taken / 2000


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("work", [tasks, timers, waits], ids=lambda work: work.__name__)
def test_many_are_as_cheap_as_few(work: Work, recorded: bool) -> None:
    def measure(count: int) -> float:
        if not recorded:
            return fournil.run(work(count))
        with fournil.Recorder(watch=False):
            return fournil.run(work(count))

    times = [(measure(FEW), measure(MANY)) for _ in range(3)]
    few, many = (min(each) for each in zip(*times, strict=True))
    assert many < MOST * few
