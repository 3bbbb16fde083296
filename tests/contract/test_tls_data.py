"""Data over TLS: of all sizes, to all kinds of protocols, and no more of it than is wanted."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from tests.contract.loops import Loop, Reports, skip_bug_of_asyncio
from tests.contract.tls import (
    VERSIONS,
    Buffered,
    ByHand,
    Recorded,
    client_context,
    close,
    connect,
    echo,
    server_by_hand,
    server_context,
    serving,
    some,
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 1000, 16384, 16385, 65536, 65537, 262144, 3_000_000])
def test_sizes(loop: Loop, version: ssl.TLSVersion, size: int) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context(version)) as address:
            reader, writer = await asyncio.open_connection(
                *address, ssl=client_context(), server_hostname="localhost"
            )
            data = some(size)
            reading = loop.create_task(reader.readexactly(size))
            writer.write(data)
            await writer.drain()
            assert await reading == data
            await close(writer)

    loop.run_until_complete(main())


def test_both_directions_at_once(loop: Loop) -> None:
    size = 2_000_000

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(some(size))
        received, _ = await asyncio.gather(reader.readexactly(size), writer.drain())
        return received

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await both(reader, writer) == some(size)

        async with serving(serve, ssl=server_context()) as address:
            reader, writer = await asyncio.open_connection(
                *address, ssl=client_context(), server_hostname="localhost"
            )
            assert await both(reader, writer) == some(size)
            await close(writer)

    loop.run_until_complete(main())


def test_nothing_is_written(loop: Loop) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            client.transport.write(b"")
            client.transport.write(memoryview(b""))
            client.transport.writelines([])
            client.transport.writelines([b"", b""])
            client.transport.write(b"x")
            await client.got_data.wait()
            assert client.data == b"x"
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_kinds_of_data(loop: Loop, kind: Any) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            client.transport.write(kind(b"hel"))
            client.transport.writelines([kind(b"l"), b"o", kind(b"")])
            while client.data != b"hello":
                client.got_data.clear()
                await client.got_data.wait()
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


@pytest.mark.parametrize("data", [None, "text", 1, [b"x"]])
def test_what_is_no_data(loop: Loop, data: Any) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            with pytest.raises(TypeError, match="bytes-like"):
                client.transport.write(data)
            client.transport.write(b"x")
            await client.got_data.wait()
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


def test_parts_are_written(loop: Loop) -> None:
    parts: list[bytes | bytearray] = [
        b"",
        b"a",
        bytearray(b"bc"),
        some(40_000),
        b"d",
        some(200_000),
        b"e" * 20_000,
    ]

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            client.transport.writelines(parts)
            client.transport.writelines(part for part in (b"f", b"g"))
            wanted = b"".join(parts) + b"fg"
            while len(client.data) < len(wanted):
                client.got_data.clear()
                await client.got_data.wait()
            assert client.data == wanted
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_records_in_pieces(loop: Loop, version: ssl.TLSVersion, step: int) -> None:
    parts = [b"a", some(10), some(1000), b"b"] + ([] if step < 100 else [some(16384)] * 9)

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            records = peer.encrypted(*parts)
            for place in range(0, len(records), step):
                await peer.send(records[place : place + step])
                await asyncio.sleep(0)
            assert await peer.read() == b""
            await peer.send(peer.close_notify())

        async with serving(server_by_hand(serve, version)) as address:
            client = await connect(address)
            wanted = b"".join(parts)
            while len(client.data) < len(wanted):
                client.got_data.clear()
                await client.got_data.wait()
            assert client.data == wanted
            client.transport.close()
            await client.lost
            assert client.error is None

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("size", "amount"), [(1, 50), (10, 5000), (20_000, 300_000), (1 << 20, 3 << 20)]
)
def test_a_buffered_protocol(loop: Loop, size: int, amount: int) -> None:
    async def main() -> None:
        class Sized(Buffered):
            pass

        Sized.size = size
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address, Sized)
            client.wanted = amount
            client.transport.write(some(amount))
            await client.done.wait()
            assert client.data == some(amount)
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


def test_an_empty_buffer(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, True, "takes it for the peer's end")
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address, Buffered)
            client.transport.write(b"x")
            assert isinstance(await client.lost, RuntimeError)

    loop.run_until_complete(main())
    [report] = reports
    assert "get_buffer() returned an empty buffer" in str(report["exception"])


def test_another_protocol(loop: Loop) -> None:
    async def main() -> None:
        class Sized(Buffered):
            size = 100

        async with serving(echo, ssl=server_context()) as address:
            first = await connect(address)
            transport = first.transport
            transport.write(b"one")
            await first.got_data.wait()
            second = Sized()
            second.wanted = 3
            transport.set_protocol(second)
            assert transport.get_protocol() is second
            transport.write(b"two")
            await second.done.wait()
            third = Recorded()
            third.calls.append("made")
            transport.set_protocol(third)
            transport.write(b"three")
            await third.got_data.wait()
            transport.close()
            await third.lost
            assert first.data == b"one"
            assert second.data == b"two"
            assert third.data == b"three"
            assert not first.lost.done()
            assert not second.lost.done()

    loop.run_until_complete(main())


def test_another_protocol_while_data_is_handed_over(loop: Loop) -> None:
    async def main() -> None:
        class Once(Buffered):
            size = 3

            def buffer_updated(self, nbytes: int) -> None:
                super().buffer_updated(nbytes)
                self.transport.set_protocol(second)

        second = Recorded()
        second.calls.append("made")
        async with serving(echo, ssl=server_context()) as address:
            first = await connect(address, Once)
            first.transport.write(b"onetwothree")
            await second.got_data.wait()
            assert first.data == b"one"
            assert second.data == b"twothree"
            first.transport.close()
            await second.lost

    loop.run_until_complete(main())


class Failing(Recorded):
    """Fails in one of its methods."""

    where = ""

    def fail(self, name: str) -> None:
        if name == self.where:
            raise ZeroDivisionError(name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.fail("connection_made")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.fail("data_received")

    def eof_received(self) -> None:
        super().eof_received()
        self.fail("eof_received")

    def pause_writing(self) -> None:
        super().pause_writing()
        self.fail("pause_writing")

    def connection_lost(self, error: BaseException | None) -> None:
        super().connection_lost(error)
        self.fail("connection_lost")


@pytest.mark.parametrize(
    ("where", "message", "ends_by_it"),
    [
        ("data_received", "Fatal error on SSL protocol", True),
        ("eof_received", "Error calling eof_received()", True),
        ("pause_writing", "protocol.pause_writing() failed", False),
        ("connection_lost", "Exception in callback Failing.connection_lost", False),
    ],
)
def test_a_protocol_fails(loop: Loop, where: str, message: str, ends_by_it: bool) -> None:
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        Failing.where = where

        async def serve(peer: ByHand) -> None:
            await peer.send(peer.encrypted(b"hello"))
            try:
                await peer.read_to_end()
                await peer.send(peer.close_notify())
                await peer.reader.read()
            except (ConnectionError, EOFError):
                pass

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, Failing)
            await client.got_data.wait()
            if where == "pause_writing":
                while not client.paused.is_set():
                    client.transport.write(bytes(1 << 20))
            if where != "data_received":
                client.transport.close()
            await client.lost
            await asyncio.sleep(0)
            if ends_by_it and where == "data_received":
                assert isinstance(client.error, ZeroDivisionError)
                assert client.calls == ["made", "data", "lost"]

    loop.run_until_complete(main())
    [report] = reports
    assert report["message"].startswith(message)
    assert isinstance(report["exception"], ZeroDivisionError)
    assert str(report["exception"]) == where


def test_a_protocol_fails_at_once(loop: Loop) -> None:
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        Failing.where = "connection_made"
        async with serving(echo, ssl=server_context()) as address:
            with pytest.raises(ZeroDivisionError):
                await connect(address, Failing)

    loop.run_until_complete(main())
    [report] = reports
    assert report["message"] == "Fatal error: protocol.buffer_updated() call failed."


@pytest.mark.parametrize("version", VERSIONS)
def test_a_record_that_was_changed(loop: Loop, version: ssl.TLSVersion) -> None:
    """What came before it is delivered; it ends the connection, and is the network's fault."""
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            good = peer.encrypted(b"good")
            bad = bytearray(peer.encrypted(b"bad"))
            bad[-1] ^= 1
            await peer.send(good)
            await client_has_it.wait()
            await peer.send(bytes(bad))
            with pytest.raises((ssl.SSLError, EOFError, ConnectionError)):
                await peer.read()

        client_has_it = asyncio.Event()
        async with serving(server_by_hand(serve, version)) as address:
            client = await connect(address)
            await client.got_data.wait()
            client_has_it.set()
            await client.lost
            assert isinstance(client.error, ssl.SSLError)
            assert client.data == b"good"

    loop.run_until_complete(main())
    assert not reports
