"""An echo of datagrams."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from benchmarks.servers.listener import Listener


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._transport.sendto(data, addr)


async def start(listener: Listener) -> object:
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Echo, sock=listener.socket)
