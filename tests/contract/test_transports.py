"""Transports that are used in the midst of their own callbacks, and after their end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import socket
import sys
import threading
import warnings
import weakref
from typing import Any

import pytest

from tests.contract.connections import (
    Act,
    Acting,
    connected,
    drain,
    fill,
    look,
    reset,
    tcp_pair,
    unix_pair,
    until,
)
from tests.contract.loops import Loop, Reports, skip_bug_of_asyncio


def switch(protocol: Acting) -> None:
    """Have another protocol called, which goes on to write down into the same list."""
    other = Acting()
    other.events = protocol.events
    other.received = protocol.received
    other.closed = protocol.closed
    other.transport = protocol.transport
    protocol.transport.set_protocol(other)


def close_and_abort(protocol: Acting) -> None:
    protocol.transport.close()
    protocol.transport.abort()


def close_and_write(protocol: Acting) -> None:
    protocol.transport.close()
    protocol.transport.write(b"more")
    protocol.transport.writelines([b"and", b"more"])


def pause_and_resume(protocol: Acting) -> None:
    protocol.transport.pause_reading()
    protocol.transport.resume_reading()


ACTS: dict[str, Act] = {
    "close": lambda protocol: protocol.transport.close(),
    "abort": lambda protocol: protocol.transport.abort(),
    "close and abort": close_and_abort,
    "close and write": close_and_write,
    "write": lambda protocol: protocol.transport.write(b"written"),
    "write much": lambda protocol: protocol.transport.write(bytes(100_000)),
    "write lines": lambda protocol: protocol.transport.writelines([b"writ", b"ten"]),
    "write the end": lambda protocol: protocol.transport.write_eof(),
    "pause and resume": pause_and_resume,
    "switch": switch,
    "set limits": lambda protocol: protocol.transport.set_write_buffer_limits(high=0),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(
    "callback",
    [
        "connection_made",
        "data_received",
        "eof_received",
        "pause_writing",
        "resume_writing",
        "connection_lost",
    ],
)
def test_acts_inside_callbacks(loop: Loop, callback: str, act: str) -> None:
    skip_bug_of_asyncio(
        loop,
        callback == "resume_writing" and ("close" in act or act == "abort"),
        "asyncio calls connection_lost twice",
    )
    skip_bug_of_asyncio(
        loop,
        sys.version_info >= (3, 12)
        and (act == "close and write" or (callback, act) == ("connection_lost", "write lines")),
        "fails at writelines once the connection is lost",
    )
    acted: list[bool] = []

    def once(protocol: Acting) -> None:
        if not acted:
            acted.append(True)
            ACTS[act](protocol)

    async def main() -> None:
        protocol = Acting(**{callback: once})
        async with connected(protocol) as (transport, peer):
            if not transport.is_closing():
                peer.send(b"hello")
                await until(lambda: transport.is_closing() or protocol.received)
            if not transport.is_closing() and (act != "write the end" or "writing" in callback):
                transport.set_write_buffer_limits(high=100)
                fill(transport)
                while not transport.is_closing() and transport.get_write_buffer_size():
                    drain(peer)
                    await asyncio.sleep(0)
            if not transport.is_closing():
                peer.shutdown(socket.SHUT_WR)
            while not protocol.closed.done():
                drain(peer)
                await asyncio.sleep(0)
        assert acted
        names = protocol.names()
        assert names[0] == "made"
        assert names[-1] == "lost"
        assert names.count("lost") == 1
        assert protocol.events[-1] == ("lost", None)
        assert transport.is_closing()
        assert transport.get_write_buffer_size() == 0

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize("ending", ["close", "abort", "eof", "reset"])
def test_every_method_after_the_end(loop: Loop, ending: str) -> None:
    skip_bug_of_asyncio(
        loop, sys.version_info >= (3, 12), "fails at writelines once the connection is lost"
    )

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, tcp_pair()) as (transport, peer):
            if ending == "close":
                transport.close()
            elif ending == "abort":
                transport.abort()
            elif ending == "eof":
                peer.close()
            else:
                reset(peer)
            await protocol.closed
            assert transport.is_closing()
            assert not transport.is_reading()
            transport.write(b"x")
            transport.write(bytearray(b"x"))
            transport.writelines([b"x", b"y"])
            transport.write(b"")
            transport.write_eof()
            transport.close()
            transport.abort()
            transport.pause_reading()
            transport.resume_reading()
            transport.set_write_buffer_limits(high=10, low=1)
            transport.set_write_buffer_limits(high=0)
            assert transport.get_write_buffer_limits() == (0, 0)
            assert transport.can_write_eof()
            assert transport.get_protocol() is None
            assert "closed" in repr(transport)
            with pytest.raises(TypeError):
                transport.write("no bytes")
            transport.set_protocol(protocol)
            assert transport.get_protocol() is protocol
        await look()
        assert protocol.names().count("lost") == 1

    loop.run_until_complete(main())


def test_writes_after_the_end_are_warned_of_when_there_are_many(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, _):
            transport.abort()
            for _ in range(10):
                transport.write(b"x")

    loop.run_until_complete(main())
    warned = [record.getMessage() for record in caplog.records]
    assert warned
    assert set(warned) == {"socket.send() raised exception."}
    assert len(warned) < 10


def test_extra_info_before_and_after_the_end(loop: Loop) -> None:
    async def main() -> None:
        for asked_before in (True, False):
            protocol = Acting()
            one, other = tcp_pair()
            expected = one.getsockname(), one.getpeername()
            async with connected(protocol, (one, other)) as (transport, _):

                def info(transport: Any = transport) -> tuple[Any, Any]:
                    return transport.get_extra_info("sockname"), transport.get_extra_info(
                        "peername"
                    )

                if asked_before:
                    assert info() == expected
                    assert transport.get_extra_info("socket").fileno() >= 0
                transport.close()
                await protocol.closed
                assert info() == expected
                assert transport.get_extra_info("socket").fileno() == -1
                assert transport.get_extra_info("unknown", "default") == "default"

    loop.run_until_complete(main())


def test_extra_info_of_an_accepted_connection(loop: Loop) -> None:
    async def main() -> None:
        accepted: list[Acting] = []

        def make() -> Acting:
            accepted.append(Acting())
            return accepted[-1]

        async with await loop.create_server(make, "127.0.0.1", 0) as server:
            for asked_before in (True, False):
                client = socket.create_connection(server.sockets[0].getsockname())
                with client:
                    await until(lambda: accepted and accepted[-1].events)
                    transport = accepted[-1].transport
                    if asked_before:
                        sock = transport.get_extra_info("socket")
                        assert sock.gettimeout() == 0
                        assert sock.family == socket.AF_INET
                        assert sock.type == socket.SOCK_STREAM
                        assert sock.getsockname() == client.getpeername()
                        assert transport.get_extra_info("socket") is sock
                    addresses = client.getsockname(), client.getpeername()
                await accepted[-1].closed
                assert transport.get_extra_info("peername") == addresses[0]
                assert transport.get_extra_info("sockname") == addresses[1]
                assert transport.get_extra_info("socket").fileno() == -1
                accepted.clear()

    loop.run_until_complete(main())


def test_extra_info_in_connection_lost(loop: Loop) -> None:
    seen: list[Any] = []

    async def main() -> None:
        protocol = Acting(
            connection_lost=lambda protocol: seen.append(
                protocol.transport.get_extra_info("socket").fileno()
            )
        )
        async with connected(protocol) as (transport, _):
            transport.close()

    loop.run_until_complete(main())
    assert seen[0] >= 0


@pytest.mark.parametrize("data", ["text", None, 1, [b"x"]])
def test_what_is_no_bytes_is_refused(loop: Loop, data: Any) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            with pytest.raises(TypeError, match="data argument must be a bytes"):
                transport.write(data)
            transport.write(b"ok")
            await look()
            assert peer.recv(10) == b"ok"

    loop.run_until_complete(main())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_what_was_written_may_change_afterwards(loop: Loop, kind: Any) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            size = fill(transport)
            source = bytearray(b"a" * 1000)
            data = kind(source)
            transport.write(data)
            if kind is bytearray:
                data[:] = b"b" * 1000
            transport.write(b"end")
            got = bytearray()
            while len(got) < size + 1003:
                with contextlib.suppress(BlockingIOError):
                    got += peer.recv(1 << 20)
                await asyncio.sleep(0)
            if kind is bytearray:
                # asyncio keeps the object itself, and sends what it holds by then.
                assert set(got[size : size + 1000]) <= set(b"ab")
            else:
                assert got[size : size + 1000] == b"a" * 1000
            assert got[-3:] == b"end"

    loop.run_until_complete(main())


def test_lines_of_which_one_is_no_bytes_are_not_sent_in_part(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, sys.version_info >= (3, 15), "keeps the lines before it")

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            with pytest.raises(TypeError):
                transport.writelines([b"one", "two", b"three"])
            assert transport.get_write_buffer_size() == 0
            transport.writelines(iter([b"four", bytearray(b"five"), memoryview(b"six"), b""]))
            await look()
            assert peer.recv(100) == b"fourfivesix"

    loop.run_until_complete(main())


def test_many_lines(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        lines = [b"%d," % number for number in range(3000)]
        async with connected(protocol) as (transport, peer):
            transport.writelines(lines)
            got = bytearray()
            while len(got) < len(b"".join(lines)):
                with contextlib.suppress(BlockingIOError):
                    got += peer.recv(1 << 20)
                await asyncio.sleep(0)
            assert got == b"".join(lines)

    loop.run_until_complete(main())


def test_a_transport_that_nobody_closed_is_warned_of(loop: Loop) -> None:
    other_loop = type(loop)()
    one, other = unix_pair()
    transport, _ = other_loop.run_until_complete(
        other_loop.create_connection(asyncio.Protocol, sock=one)
    )
    gone = weakref.ref(transport)
    with warnings.catch_warnings(record=True) as warned, other:
        warnings.simplefilter("always")
        other_loop.close()
        del transport, _
        gc.collect()
        messages = [str(each.message) for each in warned if each.category is ResourceWarning]
        warned.clear()
        gc.collect()
        assert any("unclosed transport" in message for message in messages)
        assert gone() is None
        other.setblocking(True)
        assert other.recv(1) == b""


def test_closing_a_transport_of_a_closed_loop_is_refused(loop: Loop) -> None:
    other_loop = type(loop)()
    one, other = unix_pair()
    transport, _ = other_loop.run_until_complete(
        other_loop.create_connection(asyncio.Protocol, sock=one)
    )
    other_loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        transport.close()
    assert transport.is_closing()
    transport.pause_reading()
    transport.resume_reading()
    with other, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del transport, _
        gc.collect()


def test_the_context_of_callbacks(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[tuple[str, str]] = []

    def see(name: str) -> Act:
        return lambda protocol: seen.append((name, variable.get()))

    async def main() -> None:
        variable.set("of the maker")
        protocol = Acting(
            connection_made=see("made"), data_received=see("data"), eof_received=see("eof")
        )
        async with connected(protocol) as (_, peer):
            variable.set("of later")
            peer.send(b"x")
            await until(lambda: protocol.received)
            peer.close()
            await protocol.closed

    loop.run_until_complete(main())
    assert seen == [(name, "of the maker") for name in ("made", "data", "eof")]


def test_a_socket_that_others_made_blocking(loop: Loop) -> None:
    """The flag is shared with all who have the socket, as a child that inherited it."""
    one, other = socket.socketpair()
    got: list[int] = []

    def read_all() -> None:
        while data := other.recv(1 << 20):
            got.append(len(data))

    async def main() -> None:
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=one)
        os.set_blocking(one.fileno(), True)
        reader = threading.Thread(target=read_all)
        reader.start()
        # Its peer is read by a thread, which the loop must not keep from running.
        transport.write(bytes(5_000_000))
        os.set_blocking(one.fileno(), False)
        transport.close()
        await loop.run_in_executor(None, reader.join)

    with one, other:
        loop.run_until_complete(main())
    assert sum(got) == 5_000_000
