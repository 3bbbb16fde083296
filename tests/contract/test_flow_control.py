"""Flow control: water marks, and reading that pauses."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import pytest

from tests.contract.connections import Acting, connected, drain, fill, look, until
from tests.contract.loops import EARLY_3_11, Loop, skip_bug_of_asyncio


def test_limits_that_are_set(loop: Loop) -> None:
    async def main() -> None:
        async with connected(Acting()) as (transport, _):
            assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)
            for limits, expected in (
                ({"high": 1000}, (250, 1000)),
                ({"low": 10}, (10, 40)),
                ({"high": 100, "low": 100}, (100, 100)),
                ({"high": 0}, (0, 0)),
                ({}, (16 << 10, 64 << 10)),
            ):
                transport.set_write_buffer_limits(**limits)
                assert transport.get_write_buffer_limits() == expected
            for wrong in ({"high": -1}, {"low": -1}, {"high": 1, "low": 2}):
                with pytest.raises(ValueError, match="must be >="):
                    transport.set_write_buffer_limits(**wrong)
            assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)

    loop.run_until_complete(main())


def test_a_limit_that_is_lowered_pauses_at_once(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, _):
            transport.set_write_buffer_limits(high=1 << 30)
            fill(transport)
            transport.write(bytes(1000))
            assert "pause" not in protocol.events
            transport.set_write_buffer_limits(high=100)
            assert protocol.events[-1] == "pause"
            transport.write(bytes(1000))
            assert protocol.events.count("pause") == 1

    loop.run_until_complete(main())


def test_exactly_the_limit_does_not_pause(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, _):
            transport.set_write_buffer_limits(high=1 << 30)
            fill(transport)
            waiting = transport.get_write_buffer_size()
            transport.set_write_buffer_limits(high=waiting + 10)
            transport.write(bytes(10))
            assert transport.get_write_buffer_size() == waiting + 10
            assert "pause" not in protocol.events
            transport.write(b"x")
            assert protocol.events[-1] == "pause"

    loop.run_until_complete(main())


def test_pauses_and_resumes_alternate(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            transport.set_write_buffer_limits(high=1000, low=10)
            for _ in range(20):
                fill(transport)
                transport.write(bytes(2000))
                while transport.get_write_buffer_size():
                    drain(peer)
                    await asyncio.sleep(0)
            assert protocol.events[1:] == ["pause", "resume"] * 20

    loop.run_until_complete(main())


def write_again(protocol: Acting) -> None:
    if len(protocol.events) < 40:
        protocol.transport.write(bytes(300_000))


def write_lines_again(protocol: Acting) -> None:
    if len(protocol.events) < 40:
        protocol.transport.writelines([bytes(1000)] * 300)


@pytest.mark.parametrize("act", [write_again, write_lines_again])
def test_writing_on_in_resume_writing(loop: Loop, act: Callable[[Acting], None]) -> None:
    skip_bug_of_asyncio(
        loop,
        act is write_lines_again and sys.version_info >= (3, 12),
        "tells nobody to pause after writelines",
    )

    async def main() -> None:
        protocol = Acting(resume_writing=act)
        async with connected(protocol) as (transport, peer):
            transport.set_write_buffer_limits(high=1000)
            size = fill(transport)
            got = 0
            while transport.get_write_buffer_size():
                got += drain(peer)
                await asyncio.sleep(0)
            got += drain(peer)
            resumed = protocol.events.count("resume")
            assert 10 < resumed <= protocol.events.count("pause")
            assert (got - size) % 300_000 == 0

    loop.run_until_complete(main())


def test_closing_in_pause_writing_sends_all_the_same(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting(pause_writing=lambda protocol: protocol.transport.close())
        async with connected(protocol) as (transport, peer):
            transport.set_write_buffer_limits(high=1000)
            size = fill(transport)
            while part := await loop.sock_recv(peer, 1 << 20):
                size -= len(part)
            assert size == 0
            await protocol.closed
        assert "resume" in protocol.events

    loop.run_until_complete(main())


def test_pausing_twice_is_resumed_once(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            for _ in range(2):
                transport.pause_reading()
                transport.pause_reading()
                assert not transport.is_reading()
                transport.resume_reading()
                transport.resume_reading()
                assert transport.is_reading()
            peer.send(b"hello")
            await until(lambda: protocol.received == b"hello")

    loop.run_until_complete(main())


def test_pausing_in_data_received_at_every_message(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting(data_received=lambda protocol: protocol.transport.pause_reading())
        async with connected(protocol) as (transport, peer):
            for number in range(100):
                peer.send(b"%02d" % number)
                await until(lambda: not transport.is_reading())
                assert len(protocol.received) == 2 * (number + 1)
                if number % 3 == 0:
                    await look()
                transport.resume_reading()
        assert protocol.received == b"".join(b"%02d" % number for number in range(100))

    loop.run_until_complete(main())


def test_a_pause_before_the_first_byte(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, EARLY_3_11, "reads all the same")

    async def main() -> None:
        protocol = Acting(connection_made=lambda protocol: protocol.transport.pause_reading())
        async with connected(protocol) as (transport, peer):
            peer.send(b"hello")
            await look()
            assert not protocol.received
            transport.resume_reading()
            await until(lambda: protocol.received == b"hello")

    loop.run_until_complete(main())


def test_a_paused_transport_writes(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            transport.pause_reading()
            peer.send(b"not read yet")
            size = fill(transport)
            while size:
                size -= drain(peer)
                await asyncio.sleep(0)
            assert not protocol.received
            transport.resume_reading()
            await until(lambda: protocol.received == b"not read yet")

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    "size", [1, 1000, 16383, 16384, 16385, 65535, 65536, 65537, 262144, 262145]
)
def test_messages_arrive_whole_and_in_order(loop: Loop, size: int) -> None:
    """Of the sizes around those at which the native loop receives in another way."""

    async def main() -> None:
        protocol = Acting()
        sent = bytearray()
        async with connected(protocol) as (_, peer):
            for _ in range(12):
                message = os.urandom(size)
                sent.extend(message)
                sending = loop.create_task(loop.sock_sendall(peer, message))
                await until(lambda: len(protocol.received) == len(sent))
                await sending
        assert protocol.received == sent
        assert b"".join(event[1] for event in protocol.events[1:-1]) == sent

    loop.run_until_complete(main())
