"""Stream readers and writers: what is read, and methods that a program replaced."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from tests.contract.loops import LOOPS, Loop

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Peer = Callable[[bytes], None]


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Any, Any, socket.socket]]:
    """Yield the streams of a server's connection, and a blocking socket, the other end."""
    made: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.set_result((reader, writer))

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    async with server:
        with socket.create_connection(server.sockets[0].getsockname()) as peer:
            reader, writer = await made
            try:
                yield reader, writer, peer
            finally:
                writer.close()
                await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def arrived(reader: asyncio.StreamReader, size: int) -> None:
    """Wait until `size` bytes are there to be read."""
    while len(reader._buffer) < size:  # type: ignore[attr-defined]
        await asyncio.sleep(0)


READS: dict[str, Callable[[asyncio.StreamReader], Coroutine[Any, Any, bytes]]] = {
    "line": lambda reader: reader.readline(),
    "until": lambda reader: reader.readuntil(b"ab"),
    "exactly 0": lambda reader: reader.readexactly(0),
    "exactly 1": lambda reader: reader.readexactly(1),
    "exactly 4": lambda reader: reader.readexactly(4),
    "some": lambda reader: reader.read(3),
    "much": lambda reader: reader.read(1000),
}


async def outcome(reader: asyncio.StreamReader, what: str) -> object:
    """Return what a read gave or raised."""
    if what == "all":
        return await reader.read()
    if what == "buffer":
        return bytes(reader._buffer)  # type: ignore[attr-defined]
    try:
        return await READS[what](reader)
    except asyncio.IncompleteReadError as error:
        return error.partial, error.expected
    except (ValueError, asyncio.LimitOverrunError) as error:
        return type(error), str(error)


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.text(alphabet="ab\n", min_size=1, max_size=9), max_size=6),
    reads=st.lists(st.sampled_from([*READS, "buffer"]), max_size=8),
    ended=st.booleans(),
)
def test_any_reads_of_any_pieces(pieces: list[str], reads: list[str], ended: bool) -> None:
    """Whatever comes and is read, in whatever order, reads give what asyncio's loop gives."""

    async def main() -> list[object]:
        outcomes: list[object] = []
        left = list(reads)
        async with served() as (reader, _, peer):
            reading: asyncio.Task[object] | None = None
            for piece in pieces:
                expected = len(reader._buffer) + len(piece)
                peer.sendall(piece.encode())
                while len(reader._buffer) < expected and not (reading and reading.done()):
                    await asyncio.sleep(0)
                for _ in range(5):  # a read that waited takes its part meanwhile
                    await asyncio.sleep(0)
                while reading is None or reading.done():
                    if reading is not None:
                        outcomes.append(reading.result())
                    if not left:
                        break
                    reading = asyncio.create_task(outcome(reader, left.pop(0)))
                    await asyncio.sleep(0)
            if ended:
                peer.shutdown(socket.SHUT_WR)
                if reading is not None and not reading.done():
                    outcomes.append(await reading)
                outcomes.extend([await outcome(reader, what) for what in [*left, "all"]])
            elif reading is not None:
                reading.cancel()
        return outcomes

    told = [run(main(), factory) for factory in LOOPS.values()]
    assert all(outcomes == told[0] for outcomes in told)


def run(main: Coroutine[Any, Any, Any], factory: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


@pytest.mark.parametrize("what", ["line", "until"])
@pytest.mark.parametrize("sent", [b"aaaaaaaaaaaa", b"aaaaaaaaaaaab\nab\n"])
def test_more_than_the_limit(loop: Loop, what: str, sent: bytes) -> None:
    async def main() -> None:
        async with served(limit=5) as (reader, _, peer):
            peer.sendall(sent)
            await arrived(reader, len(sent))
            first = await outcome(reader, what)
            assert first == (
                (ValueError if what == "line" else asyncio.LimitOverrunError),
                (
                    "Separator is found, but chunk is longer than limit"
                    if b"b" in sent
                    else "Separator is not found, and chunk exceed the limit"
                ),
            )
            if what == "line":
                assert reader._buffer == (b"ab\n" if b"b" in sent else b"")
            else:
                assert reader._buffer == sent
            peer.shutdown(socket.SHUT_WR)
            assert sent.endswith(await reader.read())

    loop.run_until_complete(main())


def test_the_buffer_is_shown_and_can_be_changed(loop: Loop) -> None:
    async def main() -> None:
        async with served() as (reader, _, peer):
            peer.sendall(b"hello")
            await arrived(reader, 5)
            assert reader._buffer == b"hello"
            reader._buffer.extend(b", world\n")
            assert await reader.readline() == b"hello, world\n"
            peer.sendall(b"more")
            await arrived(reader, 4)
            reader.feed_data(b" and more\n")
            assert await reader.readline() == b"more and more\n"
            reader._buffer = bytearray(b"other\n")
            assert await reader.readline() == b"other\n"

    loop.run_until_complete(main())


def test_a_read_gets_what_came_since_the_last(loop: Loop) -> None:
    async def main() -> None:
        async with served() as (reader, _, peer):
            kept = []
            for number in range(50):
                peer.sendall(b"%d" % number * 10_000 + b"\n")
                kept.append(await reader.readline())
            assert kept == [b"%d" % number * 10_000 + b"\n" for number in range(50)]

    loop.run_until_complete(main())


@pytest.mark.parametrize("before", [False, True])
def test_a_reader_s_own_method_is_called(loop: Loop, before: bool) -> None:
    async def main() -> None:
        async with served() as (reader, _, peer):
            if not before:
                peer.sendall(b"first ")
                await arrived(reader, 6)
            fed = []
            original = reader.feed_data

            def feed(data: bytes) -> None:
                fed.append(data)
                original(data.upper())

            reader.feed_data = feed
            peer.sendall(b"line\n")
            assert await reader.readline() == (b"LINE\n" if before else b"first LINE\n")
            assert fed == [b"line\n"]
            del reader.feed_data
            peer.sendall(b"line\n")
            assert await reader.readline() == b"line\n"
            with pytest.raises(AttributeError):
                del reader.feed_data

    loop.run_until_complete(main())


def test_a_protocol_s_own_method_is_called(loop: Loop) -> None:
    async def main() -> None:
        async with served() as (reader, writer, peer):
            protocol = writer.transport.get_protocol()
            original = protocol.data_received
            protocol.data_received = lambda data: original(data[::-1])
            peer.sendall(b"\nenil")
            assert await reader.readline() == b"line\n"

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (asyncio.StreamReaderProtocol, "data_received"),
        (asyncio.StreamReader, "feed_data"),
        (asyncio.StreamReader, "readline"),
        (asyncio.StreamReader, "readexactly"),
        (asyncio.StreamReader, "readuntil"),
        (asyncio.StreamReader, "read"),
        (asyncio.StreamReader, "exception"),
        (asyncio.StreamWriter, "write"),
        (asyncio.StreamWriter, "drain"),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_a_class_s_replaced_method_is_called(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, before: bool
) -> None:
    called: list[str] = []
    original: Callable[..., Any] = getattr(owner, name)

    def replaced(*args: Any) -> Any:
        called.append(name)
        return original(*args)

    async def use(reader: Any, writer: Any, peer: socket.socket) -> None:
        peer.sendall(b"one\ntwo\n3 four")
        assert await reader.readline() == b"one\n"
        assert await reader.readuntil(b"\n") == b"two\n"
        assert await reader.readexactly(2) == b"3 "
        assert await reader.read(100) == b"four"
        writer.write(b"answer")
        await writer.drain()
        assert peer.recv(100) == b"answer"

    async def main() -> None:
        if before:
            monkeypatch.setattr(owner, name, replaced)
        async with served() as (reader, writer, peer):
            if not before:
                await use(reader, writer, peer)
                monkeypatch.setattr(owner, name, replaced)
            await use(reader, writer, peer)
            assert called
            monkeypatch.undo()
            called.clear()
            await use(reader, writer, peer)
            assert not called

    loop.run_until_complete(main())


@pytest.mark.parametrize("over", ["task", "gather", "wait_for", "shield", "send"])
def test_a_drain_is_a_coroutine(loop: Loop, over: str) -> None:
    async def main() -> None:
        async with served() as (_, writer, peer):
            writer.write(b"hello")
            drained: Any
            if over == "task":
                drained = await asyncio.create_task(writer.drain())
            elif over == "gather":
                drained = await asyncio.gather(writer.drain(), writer.drain())
                assert drained == [None, None]
                drained = None
            elif over == "wait_for":
                drained = await asyncio.wait_for(writer.drain(), 60)
            elif over == "shield":
                drained = await asyncio.shield(writer.drain())
            else:
                with pytest.raises(StopIteration):
                    writer.drain().send(None)
                coroutine = writer.drain()
                with pytest.raises(LookupError):
                    coroutine.throw(LookupError("thrown"))
                writer.drain().close()
                drained = None
            assert drained is None
            assert peer.recv(100) == b"hello"

    loop.run_until_complete(main())


def test_a_drain_waits_and_fails(loop: Loop) -> None:
    async def main() -> None:
        async with served() as (reader, writer, peer):
            writer.transport.set_write_buffer_limits(high=0)
            sent = bytes(10_000_000)
            writer.write(sent)
            draining = asyncio.create_task(writer.drain())
            await asyncio.sleep(0)
            assert not draining.done()
            left = len(sent)
            while left:
                left -= len(await asyncio.to_thread(peer.recv, 1 << 20))
            await draining
            writer.close()
            await writer.wait_closed()
            with pytest.raises(ConnectionResetError):
                await writer.drain()
            reader.set_exception(LookupError("set"))
            with pytest.raises(LookupError, match="set"):
                await writer.drain()

    loop.run_until_complete(main())
