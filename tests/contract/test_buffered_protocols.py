"""Protocols that lend the transport a buffer to receive into."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.connections import (
    Acting,
    ActingBuffered,
    connected,
    look,
    until,
)
from tests.contract.loops import Loop, Reports


@pytest.mark.parametrize("act", ["close", "abort", "pause_reading"])
@pytest.mark.parametrize("callback", ["get_buffer", "buffer_updated"])
def test_acts_inside_callbacks_of_a_buffered_protocol(loop: Loop, callback: str, act: str) -> None:
    def once(protocol: ActingBuffered) -> None:
        if not acted:
            acted.append(True)
            getattr(protocol.transport, act)()

    acted: list[bool] = []
    actions: dict[str, Any] = {callback: once}

    async def main() -> None:
        protocol = ActingBuffered(**actions)
        async with connected(protocol) as (transport, peer):
            peer.send(b"hello")
            await until(lambda: acted)
            await look()
            if act == "pause_reading":
                transport.resume_reading()
                peer.send(b", again")
                await until(lambda: protocol.received == b"hello, again")
                transport.close()
            await protocol.closed
        assert acted
        assert protocol.events[-1] == ("lost", None)

    loop.run_until_complete(main())


@pytest.mark.parametrize("buffer", [bytearray(), b"fixed", 1, None])
def test_a_buffer_that_cannot_be_received_into(loop: Loop, buffer: Any) -> None:
    async def main() -> None:
        protocol = ActingBuffered(size=0, get_buffer=lambda protocol: buffer)
        async with connected(protocol) as (_, peer):
            peer.send(b"hello")
            await protocol.closed
        assert isinstance(protocol.events[-1][1], (RuntimeError, TypeError, BufferError))

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert len(reports) == 1


def test_a_protocol_with_a_buffer_takes_over_and_hands_back(loop: Loop) -> None:
    async def main() -> None:
        plain = Acting()
        buffered = ActingBuffered(size=3)
        async with connected(plain) as (transport, peer):
            peer.send(b"one")
            await until(lambda: plain.received)
            transport.set_protocol(buffered)
            peer.send(b"twothree")
            await until(lambda: len(buffered.received) == 8)
            transport.set_protocol(plain)
            peer.send(b"four")
            await until(lambda: plain.received == b"onefour")
            assert [event for event in buffered.events if event != "buffer"] == [
                ("data", b"two"),
                ("data", b"thr"),
                ("data", b"ee"),
            ]

    loop.run_until_complete(main())


def test_a_large_buffer_that_the_protocol_lets_go(loop: Loop) -> None:
    async def main() -> None:
        data = bytes(range(256)) * 1000
        got = bytearray()
        current: list[bytearray] = []

        class Fresh(ActingBuffered):
            def get_buffer(self, sizehint: int) -> bytearray:
                current[:] = [bytearray(70_000)]
                return current[0]

            def buffer_updated(self, nbytes: int) -> None:
                got.extend(current.pop()[:nbytes])

        protocol = Fresh()
        async with connected(protocol) as (_, peer):
            await loop.sock_sendall(peer, data)
            await until(lambda: len(got) == len(data))
        assert got == data

    loop.run_until_complete(main())
