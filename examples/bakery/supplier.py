"""The bakery's supplier: a slow HTTP server, in a process of its own.

It answers each question after the same time, any number of them at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import zlib

import web


async def supply(latency: float) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # CPython 3.11 reports a cancelled handler as an error, with a traceback.
        expected = contextlib.suppress(ConnectionError, asyncio.CancelledError)
        with contextlib.closing(writer), expected:
            while (path := await web.read_request(reader)) is not None:
                await asyncio.sleep(latency)
                await web.answer(writer, {"cents": 100 + zlib.crc32(path.encode()) % 100})

    with contextlib.closing(await asyncio.start_server(serve, web.HOST, 0)) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, required=True, help="in seconds")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(supply(parser.parse_args().latency))
