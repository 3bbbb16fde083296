"""Queries to PostgreSQL through asyncpg."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator

from benchmarks.case import Ask, Client

CONNECTIONS = 20

ONE = "select $1::int + 1, 'a loaf'"

MANY = "select i, 'loaf ' || i from generate_series(1, 100 + 0 * $1::int) i"


@contextlib.asynccontextmanager
async def connect(port: int, *, query: str) -> AsyncIterator[Ask]:
    import asyncpg

    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user="benchmarks", database="postgres", ssl=False
    )
    try:
        yield functools.partial(connection.fetch, query, 41)
    finally:
        await connection.close()


CASES = [
    Client(
        name=f"postgres-{name}",
        title=f"asyncpg, {what} x {CONNECTIONS}",
        backing="postgres",
        connect=functools.partial(connect, query=query),
        connections=CONNECTIONS,
        needs=("asyncpg",),
        default=query is ONE,
    )
    for name, what, query in (("row", "one row", ONE), ("rows", "100 rows", MANY))
]
