"""create_datagram_endpoint: UDP and Unix datagrams."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.contract.loops import Loop


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


async def end(*endpoints: Endpoint) -> None:
    for endpoint in endpoints:
        endpoint.transport.close()
        await endpoint.closed


def test_to_and_fro(loop: Loop) -> None:
    async def main() -> None:
        _, server = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
        address = server.transport.get_extra_info("sockname")
        _, client = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        for number in range(200):
            client.transport.sendto(b"%d" % number)
            data, source = await server.received.get()
            assert data == b"%d" % number
            server.transport.sendto(b"and back", source)
            assert await client.received.get() == (b"and back", address)
        client.transport.sendto(bytes(60_000))
        assert (await server.received.get())[0] == bytes(60_000)
        await end(server, client)

    loop.run_until_complete(main())


def test_unix_datagrams(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        paths = str(tmp_path / "one"), str(tmp_path / "other")
        ends = [
            (await loop.create_datagram_endpoint(Endpoint, local_addr=path, family=socket.AF_UNIX))[
                1
            ]
            for path in paths
        ]
        ends[0].transport.sendto(b"hello", paths[1])
        assert await ends[1].received.get() == (b"hello", paths[0])
        await end(*ends)

    loop.run_until_complete(main())


def test_nobody_listens(loop: Loop) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            address = other.getsockname()
        _, client = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        client.transport.sendto(b"hello")
        assert isinstance(await client.errors.get(), ConnectionRefusedError)
        await end(client)

    loop.run_until_complete(main())


def test_a_datagram_that_is_too_long(loop: Loop) -> None:
    async def main() -> None:
        _, server = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
        address = server.transport.get_extra_info("sockname")
        server.transport.sendto(bytes(70_000), address)
        assert isinstance(await server.errors.get(), OSError)
        await end(server)

    loop.run_until_complete(main())


def test_broadcast_and_bad_addresses(loop: Loop) -> None:
    async def main() -> None:
        _, one = await loop.create_datagram_endpoint(
            Endpoint, local_addr=("127.0.0.1", 0), allow_broadcast=True
        )
        assert one.transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_BROADCAST
        )
        with pytest.raises(ValueError, match="unexpected address family"):
            await loop.create_datagram_endpoint(Endpoint)
        await end(one)

    loop.run_until_complete(main())
