"""Stream transports whose protocol or whose peer fails."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.contract.connections import (
    Acting,
    connected,
    drain,
    fill,
    reset,
    tcp_pair,
    unix_pair,
    until,
)
from tests.contract.loops import Loop, Reports


def test_a_connection_made_that_fails_is_reported_and_the_connection_goes_on(loop: Loop) -> None:
    def fail(protocol: Acting) -> None:
        raise ValueError("in connection_made")

    async def main() -> None:
        protocol = Acting(connection_made=fail)
        async with connected(protocol) as (_, peer):
            peer.send(b"hello")
            await until(lambda: protocol.received)

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert [str(report["exception"]) for report in reports] == ["in connection_made"]


def test_a_connection_lost_that_fails_is_reported_and_nothing_is_left_open(loop: Loop) -> None:
    def fail(protocol: Acting) -> None:
        raise ValueError("in connection_lost")

    async def main() -> None:
        protocol = Acting(connection_lost=fail)
        async with connected(protocol) as (transport, peer):
            transport.close()
            await protocol.closed
            assert await loop.sock_recv(peer, 1) == b""

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert [str(report["exception"]) for report in reports] == ["in connection_lost"]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("data_received", "Fatal error: protocol.data_received() call failed."),
        ("eof_received", "Fatal error: protocol.eof_received() call failed."),
        ("pause_writing", "protocol.pause_writing() failed"),
        ("resume_writing", "protocol.resume_writing() failed"),
    ],
)
def test_callbacks_that_fail_are_reported(loop: Loop, callback: str, message: str) -> None:
    def fail(protocol: Acting) -> None:
        raise ValueError("in a callback")

    async def main() -> None:
        protocol = Acting(**{callback: fail})
        async with connected(protocol) as (transport, peer):
            if callback.endswith("writing"):
                transport.set_write_buffer_limits(high=100)
                size = fill(transport)
                while size:
                    size -= drain(peer)
                    await asyncio.sleep(0)
                assert not transport.is_closing()
            else:
                peer.send(b"hello")
                if callback == "eof_received":
                    peer.shutdown(socket.SHUT_WR)
                await protocol.closed
                assert str(protocol.events[-1][1]) == "in a callback"
        (report,) = reports
        assert report["message"] == message
        assert str(report["exception"]) == "in a callback"
        assert report["transport"] is transport
        assert report["protocol"] is protocol

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())


@pytest.mark.parametrize("callback", ["data_received", "eof_received"])
def test_an_oserror_of_a_callback_ends_the_connection_unreported(loop: Loop, callback: str) -> None:
    def fail(protocol: Acting) -> None:
        raise ConnectionAbortedError("by the protocol")

    async def main() -> None:
        protocol = Acting(**{callback: fail})
        async with connected(protocol) as (_, peer):
            peer.send(b"hello")
            peer.shutdown(socket.SHUT_WR)
            await protocol.closed
        assert type(protocol.events[-1][1]) is ConnectionAbortedError

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize("callback", ["connection_made", "data_received", "connection_lost"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupts_leave_the_loop_usable(
    loop: Loop, callback: str, kind: type[BaseException]
) -> None:
    def interrupt(protocol: Acting) -> None:
        if not interrupted:
            interrupted.append(True)
            raise kind

    interrupted: list[bool] = []
    made: list[Any] = []

    async def main() -> None:
        protocol = Acting(**{callback: interrupt})
        one, other = unix_pair()
        made.extend((protocol, other))
        with other:
            await loop.create_connection(lambda: protocol, sock=one)
            other.send(b"hello")
            await until(lambda: protocol.received)
            other.send(b"again")
            await until(lambda: protocol.received == b"helloagain")
            other.close()
            await protocol.closed

    task = loop.create_task(main())
    with pytest.raises(kind):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    assert made[0].names()[-1] == "lost"


def test_interrupts_inside_a_write(loop: Loop) -> None:
    def interrupt(protocol: Acting) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        protocol = Acting(pause_writing=interrupt)
        async with connected(protocol) as (transport, peer):
            size = 0

            def write_on() -> None:
                nonlocal size
                while True:
                    size += 65536
                    transport.write(bytes(65536))

            with pytest.raises(KeyboardInterrupt):
                write_on()
            while size:
                size -= drain(peer)
                await asyncio.sleep(0)
            assert transport.get_write_buffer_size() == 0

    loop.run_until_complete(main())


def test_writing_during_a_reset_is_an_error_of_the_connection_not_of_the_write(
    loop: Loop,
) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, tcp_pair()) as (transport, peer):
            transport.pause_reading()
            reset(peer)
            while not transport.is_closing():
                transport.write(b"x")
                await asyncio.sleep(0)
            await protocol.closed
            assert isinstance(protocol.events[-1][1], (ConnectionResetError, BrokenPipeError))

    loop.run_until_complete(main())


def test_a_reset_while_reading_is_told_to_connection_lost(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, tcp_pair()) as (_, peer):
            reset(peer)
            await protocol.closed
            assert type(protocol.events[-1][1]) is ConnectionResetError

    loop.run_until_complete(main())
