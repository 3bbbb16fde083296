"""The same with aiohttp's web server."""

import sys

import work
from aiohttp import web


async def up(request):
    return web.Response()


async def waits(request):
    return web.Response(text=work.wait())


async def computes(request):
    return web.Response(text=work.compute())


def make(argv=None):
    app = web.Application()
    app.add_routes([web.get("/", up), web.get("/waits", waits), web.get("/computes", computes)])
    return app


if __name__ == "__main__":
    web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
