"""Servers and clients over TCP and Unix sockets: protocols, streams, flow, closing."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.loops import Loop, Reports

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serve(handler: Handler, **options: Any) -> AsyncIterator[asyncio.Server]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    async with server:
        yield server


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    await close(writer)


def test_echo(loop: Loop) -> None:
    async def main() -> None:
        async with serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            for message in (b"one\n", b"two\n", b"x" * 100_000 + b"\n"):
                writer.write(message)
                got = b""
                while not got.endswith(b"\n"):
                    got += await reader.read(65536)
                assert got == message
            writer.write_eof()
            assert await reader.read() == b""
            await close(writer)

    loop.run_until_complete(main())


def test_echo_over_a_unix_socket(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        server = await asyncio.start_unix_server(echo, path)
        async with server:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.writelines([b"one ", b"two\n"])
            assert await reader.readline() == b"one two\n"
            await close(writer)

    loop.run_until_complete(main())


def test_much_data_both_ways(loop: Loop) -> None:
    data = os.urandom(3_000_000)

    async def main() -> None:
        async with serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))

            async def send() -> None:
                for place in range(0, len(data), 100_000):
                    writer.write(data[place : place + 100_000])
                    await writer.drain()
                writer.write_eof()

            sending = loop.create_task(send())
            assert await reader.read() == data
            await sending
            await close(writer)

    loop.run_until_complete(main())


def test_many_clients(loop: Loop) -> None:
    async def ask(port: int, number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"%d\n" % number)
        answer = await reader.readline()
        await close(writer)
        return answer

    async def main() -> None:
        async with serve(echo, backlog=200) as server:
            answers = await asyncio.gather(*(ask(port_of(server), n) for n in range(100)))
            assert answers == [b"%d\n" % n for n in range(100)]

    loop.run_until_complete(main())


class Recorder(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def eof_received(self) -> None:
        self.events.append("eof")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(("lost", exc))
        self.closed.set_result(None)


def test_events_of_a_protocol(loop: Loop) -> None:
    servers: list[Recorder] = []

    def make() -> Recorder:
        servers.append(Recorder())
        return servers[-1]

    async def main() -> None:
        server = await loop.create_server(make, "127.0.0.1", 0)
        async with server:
            transport, protocol = await loop.create_connection(
                Recorder, "127.0.0.1", port_of(server)
            )
            assert protocol.events == ["made"]
            assert transport.get_extra_info("peername") == server.sockets[0].getsockname()
            transport.write(b"hello")
            transport.write_eof()
            await protocol.closed
            await servers[0].closed
            assert servers[0].events == ["made", b"hello", "eof", ("lost", None)]
            assert protocol.events[-1] == ("lost", None)

    loop.run_until_complete(main())


def test_flow_control(loop: Loop) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        transport, protocol = await loop.create_connection(
            Recorder, "127.0.0.1", listener.getsockname()[1]
        )
        peer, _ = await loop.sock_accept(listener)
        transport.set_write_buffer_limits(high=1000, low=100)
        assert transport.get_write_buffer_limits() == (100, 1000)
        size = 0
        while "pause" not in protocol.events:
            transport.write(bytes(65536))
            size += 65536
        assert transport.get_write_buffer_size() > 1000
        while size:
            size -= len(await loop.sock_recv(peer, 1 << 20))
        while "resume" not in protocol.events:
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await protocol.closed
        peer.close()
        listener.close()

    loop.run_until_complete(main())


def test_pause_and_resume_reading(loop: Loop) -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        one.setblocking(False)
        transport, protocol = await loop.create_connection(Recorder, sock=one)
        transport.pause_reading()
        assert not transport.is_reading()
        other.send(b"hello")
        for _ in range(20):
            await asyncio.sleep(0)
        assert protocol.events == ["made"]
        transport.resume_reading()
        while len(protocol.events) < 2:
            await asyncio.sleep(0)
        assert protocol.events == ["made", b"hello"]
        transport.close()
        await protocol.closed
        other.close()

    loop.run_until_complete(main())


def test_abort(loop: Loop) -> None:
    async def main() -> None:
        one, other = socket.socketpair()
        one.setblocking(False)
        transport, protocol = await loop.create_connection(Recorder, sock=one)
        transport.write(bytes(10_000_000))
        transport.abort()
        await protocol.closed
        assert protocol.events[-1] == ("lost", None)
        other.close()

    loop.run_until_complete(main())


def test_a_buffered_protocol(loop: Loop) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(10)
            self.got = b""
            self.closed = loop.create_future()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.got += self.buffer[:nbytes]

        def connection_lost(self, exc: Exception | None) -> None:
            self.closed.set_result(None)

    async def main() -> None:
        one, other = socket.socketpair()
        one.setblocking(False)
        _, protocol = await loop.create_connection(Buffered, sock=one)
        other.send(b"more than the buffer holds")
        other.close()
        await protocol.closed
        assert protocol.got == b"more than the buffer holds"

    loop.run_until_complete(main())


def test_a_protocol_that_fails(loop: Loop) -> None:
    class Failing(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ValueError("in data_received")

    async def main() -> None:
        one, other = socket.socketpair()
        one.setblocking(False)
        _, protocol = await loop.create_connection(Failing, sock=one)
        other.send(b"x")
        await protocol.closed
        assert str(protocol.events[-1][1]) == "in data_received"
        other.close()

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    (report,) = reports
    assert report["message"] == "Fatal error: protocol.data_received() call failed."


def test_connection_refused(loop: Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    loop.run_until_complete(main())


def test_an_address_in_use(loop: Loop) -> None:
    async def main() -> None:
        async with serve(echo) as server:
            with pytest.raises(OSError, match="address already in use"):
                await asyncio.start_server(echo, "127.0.0.1", port_of(server))

    loop.run_until_complete(main())


def test_a_server_begins_and_ends_to_serve(loop: Loop) -> None:
    async def main() -> None:
        async with serve(echo, start_serving=False) as server:
            assert not server.is_serving()
            await server.start_serving()
            assert server.is_serving()
            serving = loop.create_task(server.serve_forever())
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            await close(writer)
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            assert not server.is_serving()

    loop.run_until_complete(main())


def test_connect_accepted_socket(loop: Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as client:
                accepted, _ = listener.accept()
                transport, protocol = await loop.connect_accepted_socket(Recorder, accepted)
                client.send(b"hello")
                while len(protocol.events) < 2:
                    await asyncio.sleep(0)
                assert protocol.events == ["made", b"hello"]
                transport.close()
                await protocol.closed

    loop.run_until_complete(main())


@pytest.mark.parametrize("fallback", [False, True])
def test_sendfile(loop: Loop, tmp_path: Path, fallback: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(600_000))

    async def main() -> None:
        async with serve(echo) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            transport: Any = writer.transport
            reading = loop.create_task(reader.readexactly(500_000))
            with path.open("rb") as file:
                sent = await loop.sendfile(transport, file, 100_000, fallback=fallback)
                assert sent == 500_000
            assert await reading == path.read_bytes()[100_000:]
            await close(writer)

    loop.run_until_complete(main())


def test_the_context_of_a_protocol_is_that_of_its_maker(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    class Seeing(Recorder):
        def data_received(self, data: bytes) -> None:
            seen.append(variable.get())

    async def main() -> None:
        variable.set("of the maker")
        one, other = socket.socketpair()
        one.setblocking(False)
        transport, protocol = await loop.create_connection(Seeing, sock=one)
        variable.set("later")
        other.send(b"x")
        while not seen:
            await asyncio.sleep(0)
        transport.close()
        await protocol.closed
        other.close()

    loop.run_until_complete(main())
    assert seen == ["of the maker"]


@pytest.mark.skipif(sys.version_info < (3, 15), reason="new in 3.15")
def test_connections_have_copies_of_the_context_in_which_their_server_was_made(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    class Seeing(Recorder):
        def data_received(self, data: bytes) -> None:
            seen.append(variable.get())
            variable.set("of another connection")

    async def main() -> None:
        variable.set("of the server")
        server = await loop.create_server(Seeing, "127.0.0.1", 0, start_serving=False)
        variable.set("later")
        await server.start_serving()
        async with server:
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
                writer.write(b"x")
                expected = len(seen) + 1
                while len(seen) < expected:
                    await asyncio.sleep(0)
                writer.write_eof()
                await reader.read()
                await close(writer)

    loop.run_until_complete(main())
    assert seen == ["of the server"] * 2


def test_a_socket_whose_descriptor_is_no_number(loop: Loop) -> None:
    class Odd(socket.socket):
        def fileno(self) -> Any:
            return "three"

        def __repr__(self) -> str:
            return "an odd socket"

    async def serve(listening: socket.socket) -> None:
        with pytest.raises(ValueError, match="Invalid file object"):
            await loop.create_server(asyncio.Protocol, sock=listening)

    with Odd() as listening:
        loop.run_until_complete(serve(listening))
