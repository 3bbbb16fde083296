"""An echo by a buffered protocol, which owns the memory that is read into."""

from __future__ import annotations

import asyncio
from typing import cast

from benchmarks.servers.listener import Listener

BUFFER = 64 * 1024


class Echo(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(BUFFER))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        # A transport may keep a view of what it could not write, and this buffer is read into
        # again.
        self._transport.write(bytes(self._buffer[:nbytes]))

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()


async def start(listener: Listener) -> object:
    return await listener.serve(Echo)
