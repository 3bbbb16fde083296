"""A small web application, served by the tests of web servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


async def which_loop(request: Request) -> Response:
    loop = type(asyncio.get_running_loop())
    return JSONResponse({"loop": f"{loop.__module__}.{loop.__qualname__}"})


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def count(request: Request) -> Response:
    async def numbers() -> AsyncIterator[bytes]:
        for number in range(100):
            await asyncio.sleep(0)
            yield b"%d\n" % number

    return StreamingResponse(numbers())


async def in_a_thread(request: Request) -> Response:
    return JSONResponse(await asyncio.to_thread(sum, range(100)))


app = Starlette(
    routes=[
        Route("/", which_loop),
        Route("/echo", echo, methods=["POST"]),
        Route("/count", count),
        Route("/thread", in_a_thread),
    ]
)
