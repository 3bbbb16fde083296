"""An echo by a protocol."""

from __future__ import annotations

import asyncio
from typing import cast

from benchmarks.servers.listener import Listener


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No isinstance: uvloop's transports are not asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()


async def start(listener: Listener) -> object:
    return await listener.serve(Echo)
