"""Transports are what asyncio says they are: libraries ask by isinstance."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.trsock import TransportSocket
from pathlib import Path
from typing import Any

import pytest

from tests.contract.loops import Loop

Pair = tuple[socket.socket, socket.socket]


class Keeping(asyncio.Protocol):
    """Keeps the transport that it is given, and tells when it is gone."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[asyncio.BaseTransport] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set_result(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)


class Datagrams(Keeping, asyncio.DatagramProtocol):
    pass


@pytest.mark.parametrize("unix", [False, True])
def test_streams(loop: Loop, tmp_path: Path, unix: bool) -> None:
    async def main() -> None:
        accepted: asyncio.Queue[Keeping] = asyncio.Queue()

        def accept() -> Keeping:
            accepted.put_nowait(protocol := Keeping())
            return protocol

        path = str(tmp_path / "socket")
        if unix:
            server = await loop.create_unix_server(accept, path)
            ours, protocol = await loop.create_unix_connection(Keeping, path)
        else:
            server = await loop.create_server(accept, "127.0.0.1", 0)
            ours, protocol = await loop.create_connection(Keeping, *server.sockets[0].getsockname())
        assert isinstance(server, asyncio.Server)
        theirs = await accepted.get()
        assert await protocol.made is ours
        assert isinstance(ours, asyncio.Transport)
        assert isinstance(await theirs.made, asyncio.Transport)
        ours.close()
        await protocol.lost
        await theirs.lost
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio's are not before 3.12")
def test_datagrams(loop: Loop) -> None:
    async def main() -> None:
        transport, protocol = await loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0)
        )
        assert await protocol.made is transport
        assert isinstance(transport, asyncio.DatagramTransport)
        transport.close()
        await protocol.lost

    loop.run_until_complete(main())


def test_pipes(loop: Loop) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        # The transports close the files.
        files = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)
        reader, one = await loop.connect_read_pipe(Keeping, files[0])
        writer, other = await loop.connect_write_pipe(Keeping, files[1])
        assert isinstance(reader, asyncio.ReadTransport)
        assert isinstance(writer, asyncio.WriteTransport)
        writer.close()
        await other.lost
        await one.lost

    loop.run_until_complete(main())


def test_subprocesses(loop: Loop) -> None:
    class Process(asyncio.SubprocessProtocol):
        def __init__(self) -> None:
            self.ended = asyncio.get_running_loop().create_future()

        def connection_lost(self, error: Exception | None) -> None:
            self.ended.set_result(error)

    async def main() -> None:
        transport, protocol = await loop.subprocess_exec(
            Process, sys.executable, "-S", "-c", "", stdin=None, stdout=None, stderr=None
        )
        assert isinstance(transport, asyncio.SubprocessTransport)
        await protocol.ended
        transport.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())


def test_the_socket_of_a_transport(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        transport, protocol = await loop.create_connection(Keeping, sock=pair[0])
        sock = transport.get_extra_info("socket")
        assert isinstance(sock, TransportSocket)
        assert sock.fileno() == pair[0].fileno()
        transport.close()
        await protocol.lost

    loop.run_until_complete(main())


def test_what_libraries_look_at_in_asyncios_transports(loop: Loop) -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        with other:
            transport: Any
            transport, protocol = await loop.create_connection(Keeping, sock=one)
            assert (transport._closing, transport._conn_lost, transport._eof) == (False, 0, False)
            transport.write_eof()
            assert transport._eof
            transport.abort()
            assert (transport._closing, transport._conn_lost) == (True, 1)
            await protocol.lost

    loop.run_until_complete(main())
