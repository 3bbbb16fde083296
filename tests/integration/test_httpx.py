"""httpx asks on the loop, by way of anyio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

import fournil


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request of a connection with its path, until the client ends it."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1]
            if path == b"/hang":
                await reader.read()
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path) + path)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def serve() -> AsyncIterator[str]:
    async with asyncio.TaskGroup() as group:

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            group.create_task(answer(reader, writer))

        async with await asyncio.start_server(begin, "127.0.0.1", 0) as server:
            yield "http://{}:{}".format(*server.sockets[0].getsockname())


def test_many_requests() -> None:
    async def main() -> None:
        assert type(asyncio.get_running_loop()) is fournil.EventLoop
        async with serve() as address, httpx.AsyncClient(base_url=address) as client:
            answers = await asyncio.gather(*(client.get(f"/{n}") for n in range(100)))
            assert [each.text for each in answers] == [f"/{n}" for n in range(100)]

    fournil.run(main())


def test_a_timeout() -> None:
    async def main() -> None:
        async with serve() as address, httpx.AsyncClient(base_url=address) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/hang", timeout=0.05)

    fournil.run(main())


def test_nobody_answers() -> None:
    async def main() -> None:
        async with serve() as address:
            pass
        async with httpx.AsyncClient(base_url=address) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("/")

    fournil.run(main())
