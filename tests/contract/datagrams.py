"""Datagram endpoints that tests use again and again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contract.loops import EARLY_3_11, Loop, skip_bug_of_asyncio


class Endpoint(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


def skip_if_unable_to_pause(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, EARLY_3_11, "its transports of datagrams cannot pause")


async def end(*endpoints: Endpoint) -> None:
    for endpoint in endpoints:
        endpoint.transport.close()
        await endpoint.closed


async def bound(loop: Loop, make: Callable[[], Endpoint] = Endpoint, **how: Any) -> Endpoint:
    how.setdefault("local_addr", ("127.0.0.1", 0))
    return (await loop.create_datagram_endpoint(make, **how))[1]


def name(endpoint: Endpoint) -> Any:
    return endpoint.transport.get_extra_info("sockname")


async def unix_pair(
    loop: Loop, folder: Path, make: Callable[[], Endpoint] = Endpoint
) -> tuple[Endpoint, Endpoint]:
    """Return two endpoints that are connected to each other."""
    paths = [str(folder / "one"), str(folder / "other")]
    ends = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in paths]
    for end, path in zip(ends, paths, strict=True):
        end.setblocking(False)
        end.bind(path)
    for end, path in zip(ends, reversed(paths), strict=True):
        end.connect(path)
    one, other = [(await loop.create_datagram_endpoint(make, sock=end))[1] for end in ends]
    return one, other
