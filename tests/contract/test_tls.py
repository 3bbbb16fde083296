"""TLS over a Unix socket, over a stream that began in the clear, and over TLS; and a file."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.loops import Loop, Reports, skip_bug_of_asyncio
from tests.contract.tls import (
    ByHand,
    Recorded,
    client_context,
    close,
    echo,
    over_own_transports,
    server_context,
    serving,
)


def test_over_a_unix_socket(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "socket"
        server = await asyncio.start_unix_server(echo, path, ssl=server_context())
        async with server:
            reader, writer = await asyncio.open_unix_connection(
                path, ssl=client_context(), server_hostname="localhost"
            )
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            await close(writer)

    loop.run_until_complete(main())


def test_a_file_is_sent(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            reader, writer = await asyncio.open_connection(
                *address, ssl=client_context(), server_hostname="localhost"
            )
            transport: Any = writer.transport
            reading = loop.create_task(reader.readexactly(300_000))
            with path.open("rb") as file:
                assert await loop.sendfile(transport, file) == 300_000
                with pytest.raises(RuntimeError, match="fallback"):
                    await loop.sendfile(transport, file, fallback=False)
            assert await reading == bytes(300_000)
            await close(writer)

    loop.run_until_complete(main())


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    assert await reader.readline() == b"STARTTLS\n"
    writer.write(b"OK\n")
    await writer.start_tls(server_context())
    await echo(reader, writer)


def test_start_tls(loop: Loop) -> None:
    async def main() -> None:
        async with serving(upgrade) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"OK\n"
            assert writer.get_extra_info("ssl_object") is None
            await writer.start_tls(client_context(), server_hostname="localhost")
            assert writer.get_extra_info("ssl_object") is not None
            assert writer.get_extra_info("peername") == address
            writer.write(b"secret\n")
            assert await reader.readline() == b"secret\n"
            await close(writer)

    loop.run_until_complete(main())


def test_start_tls_with_a_client_that_did_not_wait(loop: Loop) -> None:
    """What came with the last line in the clear belongs to the handshake."""
    skip_bug_of_asyncio(
        loop, sys.version_info < (3, 14), "leaves it to be read as if it had come encrypted"
    )

    async def main() -> None:
        async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            await writer.start_tls(server_context())
            await echo(reader, writer)

        async with serving(eager) as address:
            peer = ByHand(*await asyncio.open_connection(*address), client_context(), "localhost")
            with pytest.raises(ssl.SSLWantReadError):
                peer.ssl.do_handshake()
            await peer.send(b"STARTTLS\n" + peer.outgoing.read())
            await peer.handshake()
            await peer.send(peer.encrypted(b"secret"))
            assert await peer.read_exactly(6) == b"secret"
            await close(peer.writer)

    loop.run_until_complete(main())


def test_start_tls_keeps_the_protocol(loop: Loop) -> None:
    async def main() -> None:
        async with serving(upgrade) as address:
            _, client = await loop.create_connection(Recorded, *address)
            client.transport.write(b"STARTTLS\n")
            while client.data != b"OK\n":
                client.got_data.clear()
                await client.got_data.wait()
            transport: Any = await loop.start_tls(
                client.transport, client, client_context(), server_hostname="localhost"
            )
            assert isinstance(transport, asyncio.Transport)
            assert transport.get_protocol() is client
            client.got_data.clear()
            transport.write(b"secret")
            await client.got_data.wait()
            assert client.data == b"OK\nsecret"
            transport.close()
            await client.lost
            assert client.calls == ["made", "data", "eof", "lost"]

    loop.run_until_complete(main())


def test_start_tls_is_refused(loop: Loop) -> None:
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        async with serving(upgrade) as address:
            _, client = await loop.create_connection(Recorded, *address)
            client.transport.write(b"STARTTLS\n")
            await client.got_data.wait()
            with pytest.raises(ssl.SSLCertVerificationError):
                await loop.start_tls(
                    client.transport, client, client_context(), server_hostname="elsewhere.example"
                )
            assert client.transport.is_closing()
            await client.lost
            assert isinstance(client.error, ssl.SSLCertVerificationError)

    # The server's side fails too, in the test's own handler.
    with pytest.raises((ssl.SSLError, ConnectionError)):
        loop.run_until_complete(main())


def test_start_tls_takes_too_long(loop: Loop) -> None:
    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with serving(silent) as address:
            _, client = await loop.create_connection(Recorded, *address)
            with pytest.raises(ConnectionAbortedError, match="is taking longer than"):
                await loop.start_tls(
                    client.transport,
                    client,
                    client_context(),
                    server_hostname="localhost",
                    ssl_handshake_timeout=0.01,
                )
            if type(loop) is not asyncio.SelectorEventLoop:
                # asyncio forgets it.
                await client.lost
                assert isinstance(client.error, ConnectionAbortedError)

    loop.run_until_complete(main())


def test_start_tls_is_cancelled(loop: Loop) -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            begun.set()
            try:
                await reader.read()
            except ConnectionResetError:
                pass

        async with serving(silent) as address:
            _, client = await loop.create_connection(Recorded, *address)
            upgrading = loop.create_task(
                loop.start_tls(
                    client.transport, client, client_context(), server_hostname="localhost"
                )
            )
            await begun.wait()
            upgrading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await upgrading
            assert client.transport.is_closing()

    loop.run_until_complete(main())


@pytest.mark.parametrize("seen", [False, True])
def test_start_tls_of_what_was_closed(loop: Loop, seen: bool) -> None:
    skip_bug_of_asyncio(loop, True, "waits for what came before, until its timeout")

    async def main() -> None:
        async with serving(echo) as address:
            transport, client = await loop.create_connection(Recorded, *address)
            transport.close()
            if seen:
                await client.lost
            with pytest.raises(ConnectionAbortedError, match="closed: TLS cannot begin there"):
                await loop.start_tls(transport, client, client_context(), server_hostname="oven")
            await client.lost

    loop.run_until_complete(main())


def test_start_tls_with_what_it_cannot_use(loop: Loop) -> None:
    async def main() -> None:
        async with serving(echo) as address:
            transport, client = await loop.create_connection(Recorded, *address)
            context: Any = None
            with pytest.raises(TypeError, match="sslcontext is expected to be an instance"):
                await loop.start_tls(transport, client, context)
            other = asyncio.Transport()
            with pytest.raises(TypeError, match="is not supported by start_tls"):
                await loop.start_tls(other, client, client_context())
            transport.close()
            await client.lost

    loop.run_until_complete(main())


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_tls_over_tls(loop: Loop, size: int) -> None:
    async def main() -> None:
        async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(1)
            writer.write(b"!")
            await writer.start_tls(server_context())
            await echo(reader, writer)

        async with serving(twice, ssl=server_context()) as address:
            reader, writer = await asyncio.open_connection(
                *address, ssl=client_context(), server_hostname="localhost"
            )
            outer = writer.get_extra_info("ssl_object")
            writer.write(b"?")
            assert await reader.readexactly(1) == b"!"
            await writer.start_tls(client_context(), server_hostname="localhost")
            assert writer.get_extra_info("ssl_object") is not outer
            assert writer.get_extra_info("peername") == address
            reading = loop.create_task(reader.readexactly(size))
            writer.write(b"x" * size)
            await writer.drain()
            assert await reading == b"x" * size
            await close(writer)

    loop.run_until_complete(main())


def test_an_own_transport_below(loop: Loop) -> None:
    """What carries the ciphertext may be of any kind that says it can."""

    async def main() -> None:
        one, two = Recorded(), Recorded()
        near, far = await over_own_transports(one, two)
        near.write(b"ping")
        far.write(b"pong")
        await one.got_data.wait()
        await two.got_data.wait()
        assert one.data == b"pong"
        assert two.data == b"ping"
        near.close()
        await asyncio.gather(one.lost, two.lost)

    loop.run_until_complete(main())
