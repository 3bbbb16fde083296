"""HTTP by uvicorn with httptools, and a bare ASGI application: the server is what is measured."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from benchmarks.servers.documents import HELLO, RECORD
from benchmarks.servers.listener import Listener

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: object, send: Send) -> None:
    if scope["path"] == "/json":
        kind, body = b"application/json", json.dumps(RECORD).encode()
    else:
        kind, body = b"text/plain", HELLO
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """uvicorn's, which tells when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


async def start(listener: Listener) -> object:
    server = Server(
        uvicorn.Config(
            application,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener.socket]))
    up = asyncio.create_task(server.up.wait())
    await asyncio.wait((serving, up), return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    if serving.done():
        await serving
    return serving
