"""A program that goes once through loop, recorder, watch and a pool: for `make valgrind`.

It needs nothing but the standard library, and raises where something is not as it should be.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import tempfile
import threading
import time
from pathlib import Path

import fournil
from fournil._native.spin_wait import SpinWait
from fournil.observe.report.publish import load

THRESHOLD = 0.05


async def switch(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def use_timers() -> None:
    loop = asyncio.get_running_loop()
    fired: list[int] = []
    handles = [loop.call_later(0.001 * (n % 7), fired.append, n) for n in range(200)]
    for handle in handles[::2]:
        handle.cancel()
    while len(fired) < 100:
        await asyncio.sleep(0.001)


async def talk() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for _ in range(20):
        writer.write(b"bread\n")
        assert await reader.readline() == b"BREAD\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def call_from_threads() -> None:
    loop = asyncio.get_running_loop()
    came = asyncio.Semaphore(0)

    def call() -> None:
        for _ in range(50):
            loop.call_soon_threadsafe(came.release)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        await came.acquire()
    for thread in threads:
        thread.join()


async def fail() -> None:
    async def raises() -> None:
        raise ValueError("wanted")

    task = asyncio.create_task(raises())
    with contextlib.suppress(ValueError):
        await task
    waiting = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def block() -> None:
    time.sleep(4 * THRESHOLD)
    await asyncio.sleep(0)
    end = time.thread_time() + 4 * THRESHOLD
    while time.thread_time() < end:
        pass
    await asyncio.sleep(0)
    end = time.thread_time() + 4 * THRESHOLD
    while time.thread_time() < end:
        sorted(range(2000, 0, -1))
        hashlib.sha256(bytes(100_000)).digest()


def look_out() -> None:
    spin_wait = SpinWait()
    seen: list[bool | None] = []
    looking = threading.Thread(target=lambda: seen.append(spin_wait.look(10**18, [])))
    looking.start()
    while looking.is_alive():
        spin_wait.call()
    assert seen in ([True], [None])
    assert not spin_wait.look(1000, [])


async def use_a_pool() -> None:
    async with fournil.ThreadPool(workers=2) as pool:
        assert await asyncio.gather(*(pool.run(abs, -n) for n in range(20))) == list(range(20))
        waits = [pool.run(time.sleep, pause) for pause in (4 * THRESHOLD, 0.001, 0.001, 0.001)]
        for call in waits[2:]:
            call.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(switch(20))
        for part in (use_timers, talk, call_from_threads, fail, use_a_pool):
            group.create_task(part())
    await block()


if __name__ == "__main__":
    look_out()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "recording")
        for _ in range(2):
            with fournil.Recorder(path, threshold=THRESHOLD, size=2 << 20, threads=True):
                fournil.run(main())
        recording = load(path).recording
    assert recording.looks > 0
    assert len(recording.blocked) >= 3
    assert recording.slow_calls
    assert len(recording.calls) == 24
    print(f"{len(recording.blocked)} blocked steps, {recording.looks} looks", file=sys.stderr)
