"""The same with Sanic."""

import work
from sanic import Sanic
from sanic.response import text

app = Sanic("shop")


@app.get("/")
async def up(request):
    return text("")


@app.get("/waits")
async def waits(request):
    return text(work.wait())


@app.get("/computes")
async def computes(request):
    return text(work.compute())
