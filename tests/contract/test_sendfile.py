"""Files that are sent over a transport, and what becomes of it when that ends early."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.contract.connections import Acting, connected, drain, fill, look, until
from tests.contract.loops import Loop


def test_a_sendfile_that_is_cancelled_before_its_turn(loop: Loop, tmp_path: Any) -> None:
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio's transport refuses every write afterwards")
    path = tmp_path / "file"
    path.write_bytes(b"of the file")

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            size = fill(transport)
            with path.open("rb") as file:
                sending = loop.create_task(loop.sendfile(transport, file))
                await look()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            transport.write(b"on")
            peer.send(b"back")
            await until(lambda: protocol.received == b"back")
            size += 2
            while size:
                size -= drain(peer)
                await asyncio.sleep(0)

    loop.run_until_complete(main())


def test_a_sendfile_that_is_cancelled_in_its_midst(loop: Loop, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10_000_000))

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            with path.open("rb") as file:
                sending = loop.create_task(loop.sendfile(transport, file))
                await look()
                with pytest.raises(RuntimeError, match="sendfile is in progress"):
                    transport.write(b"x")
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            peer.send(b"back")
            await until(lambda: protocol.received == b"back")
            drain(peer)
            transport.write(b"on")
            assert await loop.sock_recv(peer, 10) == b"on"

    loop.run_until_complete(main())


@pytest.mark.parametrize("ending", ["close", "abort"])
def test_a_sendfile_whose_transport_is_closed(loop: Loop, tmp_path: Any, ending: str) -> None:
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio's sendfile never ends")
    path = tmp_path / "file"
    path.write_bytes(bytes(10_000_000))

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, _):
            with path.open("rb") as file:
                sending = loop.create_task(loop.sendfile(transport, file))
                await look()
                getattr(transport, ending)()
                with pytest.raises(OSError):  # of several kinds
                    await sending
            await protocol.closed

    loop.run_until_complete(main())


def test_a_sendfile_whose_peer_goes(loop: Loop, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10_000_000))

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            with path.open("rb") as file:
                sending = loop.create_task(loop.sendfile(transport, file))
                await look()
                peer.close()
                with pytest.raises(ConnectionError):
                    await sending

    loop.run_until_complete(main())


def test_a_sendfile_of_an_accepted_connection_in_debug_mode(loop: Loop, tmp_path: Any) -> None:
    loop.set_debug(True)
    path = tmp_path / "file"
    path.write_bytes(b"of the file")
    protocols: list[Acting] = []

    def make() -> Acting:
        protocols.append(Acting())
        return protocols[-1]

    async def main() -> None:
        async with await loop.create_server(make, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: protocols and protocols[0].events)
            with path.open("rb") as file:
                assert await loop.sendfile(protocols[0].transport, file, fallback=False) == 11
            protocols[0].transport.close()
            assert await reader.read() == b"of the file"
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            await protocols[0].closed

    loop.run_until_complete(main())
