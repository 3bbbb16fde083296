"""anyio runs on the loop, and so do its groups, scopes, threads, processes and sockets."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread

import fournil


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend_options={"loop_factory": fournil.new_event_loop})


def test_the_loop() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert run(main) is fournil.EventLoop


def test_groups_and_scopes() -> None:
    async def main() -> list[str]:
        events: list[str] = []

        async def wait(name: str) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                events.append(f"{name} cancelled")

        async with anyio.create_task_group() as group:
            group.start_soon(wait, "one")
            group.start_soon(wait, "other")
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        events.append(f"timed out: {scope.cancelled_caught}")
        return events

    assert sorted(run(main)) == ["one cancelled", "other cancelled", "timed out: True"]


def test_threads() -> None:
    async def main() -> None:
        def in_thread() -> int:
            assert threading.current_thread() is not threading.main_thread()
            anyio.from_thread.run(anyio.sleep, 0)
            return anyio.from_thread.run_sync(threading.get_ident)

        assert await anyio.to_thread.run_sync(in_thread) == threading.get_ident()

    run(main)


def test_a_portal_from_other_threads() -> None:
    async def double(number: int) -> int:
        await anyio.sleep(0)
        assert type(asyncio.get_running_loop()) is fournil.EventLoop
        return number * 2

    with anyio.from_thread.start_blocking_portal(
        backend_options={"loop_factory": fournil.new_event_loop}
    ) as portal:
        futures = [portal.start_task_soon(double, n) for n in range(50)]
        assert [future.result() for future in futures] == [2 * n for n in range(50)]


def test_sockets() -> None:
    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, handle)
            async with await anyio.connect_tcp("127.0.0.1", port) as client:
                await client.send(b"hello")
                assert await client.receive() == b"hello"
            group.cancel_scope.cancel()

    run(main)


def test_processes_and_signals() -> None:
    async def main() -> None:
        done = await anyio.run_process(["echo", "hello"])
        assert done.stdout == b"hello\n"
        with anyio.open_signal_receiver(signal.SIGUSR1) as signals:
            signal.raise_signal(signal.SIGUSR1)
            async for number in signals:
                assert number is signal.SIGUSR1
                break

    run(main)
