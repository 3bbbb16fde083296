"""aiohttp serves and asks on the loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

import fournil


async def which_loop(request: web.Request) -> web.Response:
    return web.json_response({"ours": type(asyncio.get_running_loop()) is fournil.EventLoop})


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def count(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(100):
        await response.write(b"%d\n" % number)
    await response.write_eof()
    return response


async def repeat(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse()
    await connection.prepare(request)
    async for message in connection:
        await connection.send_str(message.data * 2)
    return connection


async def hang(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def serve() -> AsyncIterator[str]:
    app = web.Application(client_max_size=1 << 24)
    app.add_routes(
        [
            web.get("/", which_loop),
            web.post("/echo", echo),
            web.get("/count", count),
            web.get("/repeat", repeat),
            web.get("/hang", hang),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


def test_requests() -> None:
    async def main() -> None:
        async with serve() as address, aiohttp.ClientSession(address) as client:
            async with client.get("/") as answer:
                assert await answer.json() == {"ours": True}
            body = os.urandom(1_000_000)
            async with client.post("/echo", data=body) as answer:
                assert await answer.read() == body
            async with client.get("/count") as answer:
                lines = [line async for line in answer.content]
                assert lines == [b"%d\n" % n for n in range(100)]

    fournil.run(main())


def test_many_at_once() -> None:
    async def main() -> None:
        async with serve() as address, aiohttp.ClientSession(address) as client:

            async def ask() -> object:
                async with client.get("/") as answer:
                    return (await answer.json())["ours"]

            assert await asyncio.gather(*(ask() for _ in range(200))) == [True] * 200

    fournil.run(main())


def test_a_websocket() -> None:
    async def main() -> None:
        async with serve() as address, aiohttp.ClientSession(address) as client:
            async with client.ws_connect("/repeat") as connection:
                for number in range(50):
                    await connection.send_str(str(number))
                    assert await connection.receive_str() == str(number) * 2

    fournil.run(main())


def test_a_timeout() -> None:
    async def main() -> None:
        timeout = aiohttp.ClientTimeout(total=0.05)
        async with serve() as address, aiohttp.ClientSession(address, timeout=timeout) as client:
            with pytest.raises(TimeoutError):
                await client.get("/hang")

    fournil.run(main())
