"""TLS handshakes that one side refuses: certificates, versions, and peers that speak no TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest

from tests.contract.loops import Loop, Reports
from tests.contract.tls import (
    ByHand,
    Recorded,
    client_context,
    close,
    connect,
    echo,
    server_context,
    serving,
)


def test_a_certificate_for_another_host(loop: Loop) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await connect(address, server_hostname="elsewhere.example")

    loop.run_until_complete(main())


def test_no_name_to_check(loop: Loop, pair: tuple[socket.socket, socket.socket]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="server_hostname"):
            await loop.create_connection(Recorded, sock=pair[0], ssl=client_context())

    loop.run_until_complete(main())


def test_a_certificate_that_is_not_trusted(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            with pytest.raises(ssl.SSLCertVerificationError, match=r"self.signed certificate"):
                await connect(address, ssl=True)

    loop.run_until_complete(main())
    assert not reports


def test_a_certificate_that_expired(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        context = server_context(certificate="expired.crt")
        async with serving(echo, ssl=context) as address:
            with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                await connect(address, ssl=client_context(certificate="expired.crt"))

    loop.run_until_complete(main())
    assert not reports


def test_versions_that_do_not_meet(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context(ssl.TLSVersion.TLSv1_3)) as address:
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await connect(address, ssl=client_context(ssl.TLSVersion.TLSv1_2))

    loop.run_until_complete(main())
    assert not reports


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x80"])
def test_a_client_that_speaks_no_tls(loop: Loop, reports: Reports, sent: bytes) -> None:
    async def main() -> None:
        made = []

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            made.append(writer)

        async with serving(never, ssl=server_context()) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(sent)
            if len(sent) == 1:
                writer.write_eof()
            try:
                await reader.read()
            except ConnectionResetError:
                pass
            await close(writer)
        assert not made

    loop.run_until_complete(main())
    assert not reports


def test_a_failure_is_reported_in_debug_mode(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            await close(writer)
            while not reports:
                await asyncio.sleep(0)

    loop.set_debug(True)
    loop.run_until_complete(main())
    [report] = reports
    assert report["message"] == "Error on transport creation for incoming connection"
    assert isinstance(report["exception"], ssl.SSLError)


def test_a_server_that_speaks_no_tls(loop: Loop, reports: Reports) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with serving(babble) as address:
            with pytest.raises(ssl.SSLError):
                await connect(address)

    loop.run_until_complete(main())
    assert not reports


def test_a_peer_that_ends_the_handshake(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)

        async with serving(hang_up) as address:
            with pytest.raises(ConnectionResetError):
                await connect(address)

    loop.run_until_complete(main())
    assert not reports


def test_a_peer_that_resets_the_handshake(loop: Loop, reports: Reports) -> None:
    async def main() -> None:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            ByHand(reader, writer, server_context()).reset()

        async with serving(reset) as address:
            with pytest.raises(ConnectionResetError):
                await connect(address)

    loop.run_until_complete(main())
    assert not reports
