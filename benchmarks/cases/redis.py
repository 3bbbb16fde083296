"""Commands to Redis through redis-py."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator

from benchmarks.case import Ask, Client

CONNECTIONS = 50

TOGETHER = 10

VALUE = b"a loaf" * 10


@contextlib.asynccontextmanager
async def connect(port: int, *, pipelines: bool) -> AsyncIterator[Ask]:
    from redis.asyncio import Redis

    client = Redis(host="127.0.0.1", port=port, single_connection_client=True)

    async def ask_pipeline() -> None:
        pipeline = client.pipeline(transaction=False)
        for _ in range(TOGETHER):
            pipeline.get("bread")
        await pipeline.execute()

    try:
        await client.set("bread", VALUE)
        yield ask_pipeline if pipelines else functools.partial(client.get, "bread")
    finally:
        await client.aclose()


CASES = [
    Client(
        name=f"redis-{name}",
        title=f"redis-py, {what} x {CONNECTIONS}",
        backing="redis",
        connect=functools.partial(connect, pipelines=pipelines),
        connections=CONNECTIONS,
        needs=("redis",),
        default=not pipelines,
    )
    for name, what, pipelines in (("get", "get", False), ("pipeline", "pipelines of 10", True))
]
