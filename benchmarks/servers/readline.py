"""An echo by streams, line by line."""

from __future__ import annotations

import asyncio

from benchmarks.servers.listener import Listener


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def start(listener: Listener) -> object:
    return await listener.serve_streams(echo)
