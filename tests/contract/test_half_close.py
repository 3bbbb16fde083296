"""Connections of which one direction has ended, or of which nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from tests.contract.connections import (
    FEW_LOOKS,
    Acting,
    connected,
    counted,
    drain,
    fill,
    idle_looks,
    look,
    reset,
    tcp_pair,
    unix_pair,
    until,
)
from tests.contract.loops import Loop

KINDS = {"tcp": tcp_pair, "unix": unix_pair}


def keep_open(protocol: Acting) -> bool:
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_sent_after_all_that_was_written(loop: Loop, kind: str) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, KINDS[kind]()) as (transport, peer):
            size = fill(transport)
            transport.write_eof()
            transport.write_eof()
            with pytest.raises(RuntimeError, match="write_eof"):
                transport.write(b"more")
            with pytest.raises(RuntimeError, match="write_eof"):
                transport.writelines([b"more"])
            while part := await loop.sock_recv(peer, 1 << 20):
                size -= len(part)
            assert size == 0
            assert not transport.is_closing()
            peer.send(b"back")
            await until(lambda: protocol.received == b"back")

    loop.run_until_complete(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_close_sends_all_that_was_written(loop: Loop, kind: str) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, KINDS[kind]()) as (transport, peer):
            size = fill(transport)
            transport.close()
            peer.send(b"not read any more")
            with contextlib.suppress(ConnectionResetError):
                while part := await loop.sock_recv(peer, 1 << 20):
                    size -= len(part)
            assert size == 0
            await protocol.closed
            assert protocol.events[-1] == ("lost", None)
            assert not protocol.received

    loop.run_until_complete(main())


def test_an_abort_during_a_close_ends_it(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, _):
            fill(transport)
            transport.close()
            await look()
            assert not protocol.closed.done()
            transport.abort()
            await protocol.closed
            assert protocol.events[-1] == ("lost", None)

    loop.run_until_complete(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_protocol_that_writes_on_after_the_end_of_its_peer(loop: Loop, kind: str) -> None:
    async def main() -> None:
        protocol = Acting(eof_received=keep_open)
        async with connected(protocol, KINDS[kind]()) as (transport, peer):
            peer.send(b"question")
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: "eof" in protocol.events)
            assert not transport.is_closing()
            transport.write(b"answer")
            assert await loop.sock_recv(peer, 100) == b"answer"
            size = fill(transport)
            while size:
                size -= drain(peer)
                await asyncio.sleep(0)
            transport.close()
            assert await loop.sock_recv(peer, 100) == b""
            await protocol.closed
        assert protocol.events.count("eof") == 1

    loop.run_until_complete(main())


def test_the_end_of_the_peer_is_told_while_much_waits_to_be_sent(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            size = fill(transport)
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: "eof" in protocol.events)
            assert transport.is_closing()
            while part := await loop.sock_recv(peer, 1 << 20):
                size -= len(part)
            assert size == 0
            await protocol.closed

    loop.run_until_complete(main())


def test_the_end_of_the_peer_waits_for_a_paused_protocol(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            peer.send(b"hello")
            peer.close()
            await look()
            assert protocol.events == ["made"]
            transport.resume_reading()
            await protocol.closed
            assert protocol.events == ["made", ("data", b"hello"), "eof", ("lost", None)]

    loop.run_until_complete(main())


def test_both_ends_end(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting(eof_received=keep_open)
        async with connected(protocol, tcp_pair()) as (transport, peer):
            transport.write(b"hello")
            transport.write_eof()
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: "eof" in protocol.events)
            assert not transport.is_closing()
            assert await loop.sock_recv(peer, 100) == b"hello"
            assert await loop.sock_recv(peer, 100) == b""
            transport.close()
            await protocol.closed

    loop.run_until_complete(main())


# What the kernel reports though nobody asked for it, such as a reset, must not keep a loop awake.


async def none(transport: Any, peer: socket.socket) -> None:
    pass


async def pause(transport: Any, peer: socket.socket) -> None:
    transport.pause_reading()
    await look()


async def pause_with_data(transport: Any, peer: socket.socket) -> None:
    transport.pause_reading()
    peer.send(b"hello")
    await look()


async def half_close(transport: Any, peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_WR)
    await look()


async def half_close_and_end(transport: Any, peer: socket.socket) -> None:
    transport.write_eof()
    await half_close(transport, peer)


async def pause_and_fill(transport: Any, peer: socket.socket) -> None:
    transport.pause_reading()
    fill(transport)
    await look()


async def fill_and_close(transport: Any, peer: socket.socket) -> None:
    fill(transport)
    transport.close()
    peer.send(b"hello")
    await look()


STATES = {
    state.__name__.replace("_", " "): state
    for state in (
        none,
        pause,
        pause_with_data,
        half_close,
        half_close_and_end,
        pause_and_fill,
        fill_and_close,
    )
}


@pytest.mark.parametrize("ending", ["nothing", "close", "reset"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_transport_does_not_spin(loop: Loop, kind: str, state: str, ending: str) -> None:
    if kind == "unix" and ending == "reset":
        pytest.skip("Unix sockets know no reset")

    async def main(counting: Any) -> int:
        protocol = Acting(eof_received=keep_open)
        async with connected(protocol, KINDS[kind]()) as (transport, peer):
            await look()
            await STATES[state](transport, peer)
            if ending == "close":
                peer.close()
            elif ending == "reset":
                reset(peer)
            return await idle_looks(counting)

    with counted(loop) as counting:
        assert counting.run_until_complete(main(counting)) < FEW_LOOKS
