"""run_in_executor, to_thread, and the resolution of names."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import socket
import threading

import pytest

from tests.contract.loops import Loop


def test_run_in_executor(loop: Loop) -> None:
    async def main() -> None:
        ident = await loop.run_in_executor(None, threading.get_ident)
        assert ident != threading.get_ident()
        assert await loop.run_in_executor(None, divmod, 17, 5) == (3, 2)

    loop.run_until_complete(main())


def test_what_it_raises(loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 1, 0)

    loop.run_until_complete(main())


def test_many_calls(loop: Loop) -> None:
    async def main() -> None:
        calls = [loop.run_in_executor(None, pow, n, 2) for n in range(1000)]
        assert await asyncio.gather(*calls) == [n * n for n in range(1000)]

    loop.run_until_complete(main())


def test_an_executor_of_its_own(loop: Loop) -> None:
    async def main() -> None:
        with concurrent.futures.ThreadPoolExecutor(1, "own") as executor:
            thread = await loop.run_in_executor(executor, threading.current_thread)
            assert thread.name.startswith("own")

    loop.run_until_complete(main())


def test_a_default_executor(loop: Loop) -> None:
    async def main() -> str:
        return (await loop.run_in_executor(None, threading.current_thread)).name

    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1, "default"))
    assert loop.run_until_complete(main()).startswith("default")
    loop.run_until_complete(loop.shutdown_default_executor())
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, print)


def test_to_thread_keeps_the_context(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def main() -> str:
        variable.set("of the task")
        return await asyncio.to_thread(variable.get)

    assert loop.run_until_complete(main()) == "of the task"


def test_the_loop_goes_on_meanwhile(loop: Loop) -> None:
    async def main() -> int:
        released = threading.Event()
        waiting = loop.run_in_executor(None, released.wait)
        turns = 0
        for _ in range(100):
            await asyncio.sleep(0)
            turns += 1
        released.set()
        await waiting
        return turns

    assert loop.run_until_complete(main()) == 100


def test_cancel(loop: Loop) -> None:
    async def main() -> None:
        released = threading.Event()
        waiting = loop.run_in_executor(None, released.wait)
        task = loop.create_task(asyncio.wait_for(waiting, 3600))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()

    loop.run_until_complete(main())


def test_getaddrinfo(loop: Loop) -> None:
    async def main() -> None:
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert {family for family, *_ in found} <= {socket.AF_INET, socket.AF_INET6}
        assert any(address[0] in ("127.0.0.1", "::1") for *_, address in found)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("name.invalid", 80)

    loop.run_until_complete(main())


def test_getnameinfo(loop: Loop) -> None:
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    found = loop.run_until_complete(loop.getnameinfo(("127.0.0.1", 80), flags))
    assert found == ("127.0.0.1", "80")
