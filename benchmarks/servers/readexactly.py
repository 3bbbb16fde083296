"""An echo by streams, of messages whose size is known."""

from __future__ import annotations

import asyncio

from benchmarks.servers.listener import Listener


async def start(listener: Listener) -> object:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(listener.size))
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    return await listener.serve_streams(echo)
