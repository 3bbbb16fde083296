"""HTTP by aiohttp's own server."""

from __future__ import annotations

from aiohttp import web

from benchmarks.servers.documents import HELLO, RECORD
from benchmarks.servers.listener import Listener


async def hello(_request: web.Request) -> web.Response:
    return web.Response(body=HELLO, content_type="text/plain")


async def record(_request: web.Request) -> web.Response:
    return web.json_response(RECORD)


async def start(listener: Listener) -> object:
    application = web.Application()
    application.router.add_get("/hello", hello)
    application.router.add_get("/json", record)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener.socket).start()
    return runner
