"""TLS handshakes: what they tell, how long they may take, and what comes in their midst."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import Any

import pytest

from tests.contract.loops import EARLY_3_11, Loop, Reports, skip_bug_of_asyncio
from tests.contract.tls import (
    TRUSTED,
    VERSIONS,
    ByHand,
    Recorded,
    client_context,
    close,
    connect,
    echo,
    server_by_hand,
    server_context,
    serving,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_extra_info(loop: Loop, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        seen = loop.create_future()

        async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.set_result({name: writer.get_extra_info(name) for name in names})
            await echo(reader, writer)

        names = ["peercert", "cipher", "compression", "sslcontext", "peername", "sockname"]
        serving_context = server_context(version)
        async with serving(look, ssl=serving_context) as address:
            context = client_context()
            client: Any = await connect(address, ssl=context)
            info = client.transport.get_extra_info
            ssl_object = info("ssl_object")
            assert isinstance(ssl_object, ssl.SSLObject)
            assert ssl_object.version() == version.name.replace("_", ".")
            assert info("peercert") == ssl_object.getpeercert()
            assert info("peercert")["subject"] == ((("commonName", "localhost"),),)
            assert info("cipher") == ssl_object.cipher()
            assert info("compression") is None
            assert info("sslcontext") is context
            assert info("peername") == address
            assert info("socket").getsockname() == info("sockname")
            assert info("no such thing") is None
            assert info("no such thing", 1) == 1
            client.transport.close()
            await client.lost
            assert info("sslcontext") is context
            assert info("ssl_object") is ssl_object
            assert info("peername") is None
            other = await seen
            assert other["peercert"] is None or other["peercert"] == {}
            assert other["cipher"][0] == ssl_object.cipher()[0]
            assert other["sslcontext"] is serving_context
            assert other["sockname"] == address

    loop.run_until_complete(main())


def test_the_transport(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, EARLY_3_11, "raises where a connection that is gone is aborted")

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            transport = client.transport
            assert isinstance(transport, asyncio.Transport)
            assert id(transport.get_protocol()) == id(client)
            assert "Transport" in repr(transport)
            assert not transport.is_closing()
            assert transport.is_reading()
            assert not transport.can_write_eof()
            with pytest.raises(NotImplementedError):
                transport.write_eof()
            transport.close()
            assert transport.is_closing()
            transport.close()
            await client.lost
            assert transport.is_closing()
            transport.close()
            transport.abort()
            assert "Transport" in repr(transport)

    loop.run_until_complete(main())


def test_a_protocol_is_agreed_on(loop: Loop) -> None:
    async def main() -> None:
        serving_context, context = server_context(), client_context()
        serving_context.set_alpn_protocols(["h2", "http/1.1"])
        context.set_alpn_protocols(["http/1.1"])
        async with serving(echo, ssl=serving_context) as address:
            client = await connect(address, ssl=context)
            ssl_object = client.transport.get_extra_info("ssl_object")
            assert ssl_object.selected_alpn_protocol() == "http/1.1"
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


def test_a_client_with_a_certificate(loop: Loop) -> None:
    async def main() -> None:
        subjects = []

        async def look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            subjects.append(writer.get_extra_info("peercert")["subject"])
            await echo(reader, writer)

        serving_context, context = server_context(), client_context()
        serving_context.verify_mode = ssl.CERT_REQUIRED
        serving_context.load_verify_locations(TRUSTED)
        context.load_cert_chain(TRUSTED, TRUSTED.with_suffix(".key"))
        async with serving(look, ssl=serving_context) as address:
            client = await connect(address, ssl=context)
            client.transport.write(b"hello")
            await client.got_data.wait()
            client.transport.close()
            await client.lost
        assert subjects == [((("commonName", "localhost"),),)]

    loop.run_until_complete(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_a_certificate(
    loop: Loop, reports: Reports, version: ssl.TLSVersion
) -> None:
    async def main() -> None:
        made = []

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            made.append(writer)

        context = server_context(version)
        context.verify_mode = ssl.CERT_REQUIRED
        async with serving(never, ssl=context) as address:
            # In TLS 1.3 the client's handshake is done before the server looks at it.
            try:
                client = await connect(address)
                await client.lost
                error = client.error or EOFError()
            except (ssl.SSLError, ConnectionError) as refused:
                error = refused
            assert isinstance(error, (ssl.SSLError, ConnectionError, EOFError))
        assert not made

    loop.run_until_complete(main())
    assert not reports


def test_a_server_takes_too_long(loop: Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with pytest.raises(ConnectionAbortedError, match=r"longer than 0\.01 seconds"):
                await connect(silent.getsockname(), ssl_handshake_timeout=0.01)

    loop.run_until_complete(main())


def test_a_client_takes_too_long(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context(), ssl_handshake_timeout=0.01) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            await close(writer)

    loop.run_until_complete(main())
    assert not reports


@pytest.mark.parametrize("option", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_that_cannot_be(
    loop: Loop, pair: tuple[socket.socket, socket.socket], option: str, seconds: int
) -> None:
    async def main() -> None:
        options: Any = {option: seconds}
        with pytest.raises(ValueError, match=f"{option} should be a positive number"):
            await loop.create_connection(
                Recorded,
                sock=pair[0],
                ssl=client_context(),
                server_hostname="localhost",
                **options,
            )

    loop.run_until_complete(main())


def test_a_handshake_is_cancelled(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.read(65536)
            begun.set()
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                pass

        async with serving(wait) as address:
            connecting = loop.create_task(connect(address))
            await begun.wait()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting

    loop.run_until_complete(main())
    assert not reports


def test_a_server_closes_while_a_client_shakes_hands(loop: Loop) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        async with server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address)
            peer = ByHand(reader, writer, client_context(), "localhost")
            # The first flight is there and back: a connection exists, in the middle of it.
            with pytest.raises(ssl.SSLWantReadError):
                peer.ssl.do_handshake()
            await peer.flush()
            peer.incoming.write(await reader.read(65536))
            server.close()
            await peer.handshake()
            await peer.send(peer.encrypted(b"hello"))
            assert await peer.read_exactly(5) == b"hello"
            await peer.send(peer.close_notify())
            await close(writer)

    loop.run_until_complete(main())


def test_a_flight_byte_by_byte(loop: Loop) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.transport.set_write_buffer_limits(0)
            peer = ByHand(reader, writer, client_context(), "localhost")
            with pytest.raises(ssl.SSLWantReadError):
                peer.ssl.do_handshake()
            for byte in peer.outgoing.read():
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
            await peer.handshake()
            await peer.send(peer.encrypted(b"hello"))
            assert await peer.read_exactly(5) == b"hello"
            await close(writer)

    loop.run_until_complete(main())


def test_data_behind_the_handshake(loop: Loop) -> None:
    async def main() -> None:
        async def greet(peer: ByHand) -> None:
            await peer.send(peer.encrypted(b"hello", b"you"))
            assert await peer.read() == b""

        async with serving(server_by_hand(greet)) as address:
            client = await connect(address)
            while client.data != b"helloyou":
                await client.got_data.wait()
                client.got_data.clear()
            assert client.calls == ["made", "data"]
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


def test_many_clients(loop: Loop) -> None:
    async def ask(address: tuple[str, int], number: int) -> bytes:
        reader, writer = await asyncio.open_connection(
            *address, ssl=client_context(), server_hostname="localhost"
        )
        writer.write(b"%d\n" % number)
        answer = await reader.readline()
        await close(writer)
        return answer

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            answers = await asyncio.gather(*(ask(address, n) for n in range(20)))
            assert answers == [b"%d\n" % n for n in range(20)]

    loop.run_until_complete(main())


def test_a_context_of_a_class_of_its_own(loop: Loop) -> None:
    class Counted(ssl.SSLObject):
        reads = 0

        def read(self, *args: Any) -> Any:
            Counted.reads += 1
            return super().read(*args)

    async def main() -> None:
        context = client_context()
        context.sslobject_class = Counted
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address, ssl=context)
            assert isinstance(client.transport.get_extra_info("ssl_object"), Counted)
            client.transport.write(b"hello")
            await client.got_data.wait()
            client.transport.close()
            await client.lost
        assert client.data == b"hello"
        assert Counted.reads

    loop.run_until_complete(main())


@pytest.mark.parametrize("speaks_tls", [True, False])
def test_what_comes_while_an_upgrade_begins(loop: Loop, reports: Reports, speaks_tls: bool) -> None:
    """The program's own `resume_reading` is due before TLS has its transport."""

    class Upgrading(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def data_received(self, data: bytes) -> None:
            assert data == b"STARTTLS\n"
            upgrade = loop.start_tls(self.transport, self, server_context(), server_side=True)
            task = loop.create_task(upgrade)
            task.add_done_callback(upgraded.set_result)
            loop.call_soon(self.transport.resume_reading)
            # The next look at the kernel finds it, before TLS has its transport.
            client.send(hello if speaks_tls else b"\x16\x03\x01\x00\x05hello")

    async def main() -> asyncio.Task[Any]:
        server = await loop.create_server(Upgrading, "127.0.0.1", 0)
        client.connect(server.sockets[0].getsockname())
        if speaks_tls:
            answers.append(
                loop.run_in_executor(None, shake_hands, client, peer, to_client, to_server)
            )
        client.send(b"STARTTLS\n")
        # asyncio's loop looks at the kernel in each turn, others when it is time.
        busy = loop.create_task(keep_busy())
        task = await upgraded
        busy.cancel()
        server.close()
        return task

    async def keep_busy() -> None:
        while True:
            time.sleep(0.001)
            await asyncio.sleep(0)

    upgraded: asyncio.Future[asyncio.Task[Any]] = loop.create_future()
    answers: list[asyncio.Future[None]] = []
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = client_context().wrap_bio(to_client, to_server, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        peer.do_handshake()
    hello = to_server.read()
    with socket.socket() as client:
        if speaks_tls:
            loop.run_until_complete(main()).result().abort()
            loop.run_until_complete(answers[0])
        else:
            with pytest.raises(ssl.SSLError):
                loop.run_until_complete(main()).result()
        loop.run_until_complete(asyncio.sleep(0))
    assert reports == []


def shake_hands(
    client: socket.socket, peer: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> None:
    """Take a client's handshake, whose first message was sent, to its end."""
    done = False
    while not done:
        incoming.write(client.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.do_handshake()
            done = True
        client.sendall(outgoing.read())
