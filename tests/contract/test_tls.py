"""TLS over the loop: servers, clients, start_tls, refused certificates."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.contract.loops import Loop, Reports

CERTIFICATES = Path(__file__).parents[1] / "certificates"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.crt", CERTIFICATES / "localhost.key")
    return context


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATES / "localhost.crt")


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    await close(writer)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_echo(loop: Loop, size: int) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        async with server:
            reader, writer = await asyncio.open_connection(
                *server.sockets[0].getsockname(),
                ssl=client_context(),
                server_hostname="localhost",
            )
            assert writer.get_extra_info("ssl_object").version().startswith("TLSv1.")
            data = bytes(range(256)) * (size // 256 + 1)
            reading = loop.create_task(reader.readexactly(len(data)))
            writer.write(data)
            await writer.drain()
            assert await reading == data
            await close(writer)

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
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        async with server:
            address = server.sockets[0].getsockname()
            answers = await asyncio.gather(*(ask(address, n) for n in range(20)))
            assert answers == [b"%d\n" % n for n in range(20)]

    loop.run_until_complete(main())


def test_a_certificate_that_is_not_trusted(loop: Loop) -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        async with server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(
                    *server.sockets[0].getsockname(), ssl=True, server_hostname="localhost"
                )
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(
                    *server.sockets[0].getsockname(),
                    ssl=client_context(),
                    server_hostname="elsewhere.example",
                )

    loop.set_exception_handler(Reports())
    loop.run_until_complete(main())


def test_a_peer_that_speaks_no_tls(loop: Loop) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await close(writer)

    async def main() -> None:
        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        async with server:
            with pytest.raises(ssl.SSLError):
                await asyncio.open_connection(
                    *server.sockets[0].getsockname(),
                    ssl=client_context(),
                    server_hostname="localhost",
                )

    loop.run_until_complete(main())


def test_a_handshake_that_takes_too_long(loop: Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with pytest.raises(ConnectionAbortedError, match="is taking longer than"):
                await asyncio.open_connection(
                    *silent.getsockname(),
                    ssl=client_context(),
                    server_hostname="localhost",
                    ssl_handshake_timeout=0.01,
                )

    loop.run_until_complete(main())


def test_start_tls(loop: Loop) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"OK\n")
        await writer.start_tls(server_context())
        await echo(reader, writer)

    async def main() -> None:
        server = await asyncio.start_server(upgrade, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"OK\n"
            assert writer.get_extra_info("ssl_object") is None
            await writer.start_tls(client_context(), server_hostname="localhost")
            assert writer.get_extra_info("ssl_object") is not None
            writer.write(b"secret\n")
            assert await reader.readline() == b"secret\n"
            await close(writer)

    loop.run_until_complete(main())


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
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        async with server:
            reader, writer = await asyncio.open_connection(
                *server.sockets[0].getsockname(),
                ssl=client_context(),
                server_hostname="localhost",
            )
            transport: Any = writer.transport
            reading = loop.create_task(reader.readexactly(300_000))
            with path.open("rb") as file:
                assert await loop.sendfile(transport, file) == 300_000
            assert await reading == bytes(300_000)
            await close(writer)

    loop.run_until_complete(main())
