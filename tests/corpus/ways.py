"""The kinds of step that a blocker is called from, and the company that it may have."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import fournil

Block = Callable[[], None]


async def in_task(block: Block) -> None:
    async def handle() -> None:
        await asyncio.sleep(0)
        block()

    await asyncio.create_task(handle())


async def in_timer(block: Block) -> None:
    done = asyncio.Event()

    def ring() -> None:
        block()
        done.set()

    asyncio.get_running_loop().call_later(0.01, ring)
    await done.wait()


async def in_reader(block: Block) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    ours, theirs = socket.socketpair()

    def read() -> None:
        loop.remove_reader(ours.fileno())
        block()
        done.set()

    with ours, theirs:
        loop.add_reader(ours.fileno(), read)
        theirs.send(b"x")
        await done.wait()


async def in_protocol(block: Block) -> None:
    done = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            block()
            done.set()

    loop = asyncio.get_running_loop()
    async with await loop.create_server(Protocol, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        await done.wait()
        writer.close()
        await writer.wait_closed()


async def in_other_thread(block: Block) -> None:
    await asyncio.to_thread(fournil.run, in_task(block))


async def beside_python(block: Block) -> None:
    with busy_thread():
        await in_task(block)


@contextmanager
def busy_thread() -> Iterator[None]:
    """Have another thread of this process run Python code."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(number * number for number in range(1_000))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Way(NamedTuple):
    """How to block, and how many loops that takes: the last of them is the one blocked."""

    run: Callable[[Block], object]
    loops: int = 1


WAYS: Mapping[str, Way] = {
    "task": Way(lambda block: fournil.run(in_task(block))),
    "timer": Way(lambda block: fournil.run(in_timer(block))),
    "reader": Way(lambda block: fournil.run(in_reader(block))),
    "protocol": Way(lambda block: fournil.run(in_protocol(block))),
    "thread": Way(lambda block: fournil.run(in_other_thread(block)), loops=2),
    "beside": Way(lambda block: fournil.run(beside_python(block))),
}
"""`beside` is a task's step while another thread of the process runs Python code."""
