"""The same with FastAPI."""

import work
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def up():
    return ""


@app.get("/waits")
async def waits():
    return work.wait()


@app.get("/computes")
async def computes():
    return work.compute()
