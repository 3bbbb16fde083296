"""Estimates against the truth: programs that block, and what they take when they are mended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import fournil
from fournil.observe.report.publish import load
from tests.advice.others import BUSY, Others

TOLERANCE = 0.25
TRIES = 4
"""Other programs may take the machine's time during one run and not during the other."""

LEAST_DELAY = 0.05
"""A thread that waited for a processor for less than this share of the time was not disturbed."""

Wait = Callable[[float], Coroutine[Any, Any, None]]
Program = Callable[[Wait], Coroutine[Any, Any, None]]


async def block(seconds: float) -> None:
    time.sleep(seconds)


async def beside_each_other(wait: Wait) -> None:
    async def one() -> None:
        await asyncio.sleep(0.01)
        await wait(0.15)

    await asyncio.gather(one(), one(), one())


async def unequal_then_more(wait: Wait) -> None:
    async with asyncio.TaskGroup() as group:
        for seconds in (0.2, 0.1, 0.06):
            group.create_task(wait(seconds))
    await asyncio.sleep(0.1)


async def one_after_the_other(wait: Wait) -> None:
    for _ in range(3):
        await asyncio.create_task(wait(0.1))


async def consumers_of_a_queue(wait: Wait) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(2)

    async def consume() -> None:
        while True:
            await queue.get()
            await asyncio.sleep(0.001)
            await wait(0.06)
            queue.task_done()

    consumers = [asyncio.create_task(consume()) for _ in range(3)]
    for number in range(9):
        await queue.put(number)
    await queue.join()
    for consumer in consumers:
        consumer.cancel()


async def server_and_clients(wait: Wait, in_server: float, in_client: float) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while question := await reader.readline():
            if in_server:
                await wait(in_server)
            writer.write(question)
        writer.close()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"bread?\n")
            await reader.readline()
            if in_client:
                await wait(in_client)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(ask() for _ in range(4)))


PROGRAMS: dict[str, Program] = {
    "beside each other": beside_each_other,
    "unequal, then more": unequal_then_more,
    "one after the other": one_after_the_other,
    "consumers of a queue": consumers_of_a_queue,
    "a server that blocks": partial(server_and_clients, in_server=0.06, in_client=0.0),
    "clients that block": partial(server_and_clients, in_server=0.0, in_client=0.06),
    "both block": partial(server_and_clients, in_server=0.06, in_client=0.06),
}


class Tried(NamedTuple):
    """How far off an estimate was, and whether others left the machine alone meanwhile."""

    off: float
    is_quiet: bool


def seconds(program: Program, wait: Wait) -> float:
    began = time.perf_counter()
    fournil.run(program(wait))
    return time.perf_counter() - began


def run_delay_s() -> float:
    """Return how long this thread has waited for a processor so far."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def tried(program: Program, path: Path) -> Tried:
    """Record a program that blocks, and run it mended."""
    others, waited_s = Others(), run_delay_s()
    with fournil.Recorder(path):
        blocking = seconds(program, block)
    mended = seconds(program, asyncio.sleep)
    is_quiet = others.share < BUSY and run_delay_s() - waited_s < LEAST_DELAY * mended
    report = load(str(path))
    assert report.estimate
    # The recording also covers what ran before and after the loop.
    estimated = blocking - (report.recording.run_s - report.estimate.run_s)
    return Tried(estimated / mended - 1, is_quiet)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_estimate_is_what_mending_gains(name: str, tmp_path: Path) -> None:
    found = []
    for number in range(TRIES):
        found.append(tried(PROGRAMS[name], tmp_path / f"{number}.fournil"))
        if abs(found[-1].off) <= TOLERANCE:
            return
    judged = [f"{one.off:+.0%}" for one in found if one.is_quiet]
    if not judged:
        pytest.skip("others used the machine each time")
    pytest.fail(f"the estimates were off by {', '.join(judged)}")
