"""Datagrams that wait for a receiver which does not keep up."""

from __future__ import annotations

import sys
from pathlib import Path

import fournil
from tests.contract.datagrams import Endpoint, end, skip_if_unable_to_pause, unix_pair
from tests.contract.loops import Loop


class Flooder(Endpoint):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def flood(one: Endpoint, size: int = 2_000) -> int:
    """Send until the protocol was told to pause; return how many were sent."""
    count = 0
    assert isinstance(one, Flooder)
    while not one.told:
        one.transport.sendto(b"%d " % count + bytes(size))
        count += 1
    return count


def test_a_receiver_that_does_not_keep_up(loop: Loop, tmp_path: Path) -> None:
    skip_if_unable_to_pause(loop)

    async def main() -> None:
        one, other = await unix_pair(loop, tmp_path, Flooder)
        other.transport.pause_reading()
        count = flood(one)
        _, high = one.transport.get_write_buffer_limits()
        assert one.transport.get_write_buffer_size() > high
        other.transport.resume_reading()
        for number in range(count):
            assert (await other.received.get())[0].startswith(b"%d " % number)
        assert isinstance(one, Flooder)
        assert one.told == ["pause", "resume"]
        # Since CPython 3.13 asyncio's counts what it sent in part as waiting.
        if isinstance(loop, fournil.EventLoop) or sys.version_info < (3, 13):
            assert one.transport.get_write_buffer_size() == 0
        one.transport.sendto(b"more")
        assert (await other.received.get())[0] == b"more"
        await end(one, other)

    loop.run_until_complete(main())


def test_what_waits_is_the_bytes_that_were_given(loop: Loop, tmp_path: Path) -> None:
    skip_if_unable_to_pause(loop)

    async def main() -> None:
        one, other = await unix_pair(loop, tmp_path, Flooder)
        other.transport.pause_reading()
        count = flood(one)
        data = bytearray(b"before")
        one.transport.sendto(data)
        data[:] = b"after"
        other.transport.resume_reading()
        for _ in range(count):
            await other.received.get()
        assert (await other.received.get())[0] == b"before"
        await end(one, other)

    loop.run_until_complete(main())


def test_closed_while_some_wait(loop: Loop, tmp_path: Path) -> None:
    skip_if_unable_to_pause(loop)

    async def main() -> None:
        one, other = await unix_pair(loop, tmp_path, Flooder)
        other.transport.pause_reading()
        count = flood(one)
        one.transport.close()
        other.transport.resume_reading()
        for number in range(count):
            assert (await other.received.get())[0].startswith(b"%d " % number)
        await one.closed
        await end(other)

    loop.run_until_complete(main())


def test_aborted_while_some_wait(loop: Loop, tmp_path: Path) -> None:
    skip_if_unable_to_pause(loop)

    async def main() -> None:
        one, other = await unix_pair(loop, tmp_path, Flooder)
        other.transport.pause_reading()
        flood(one)
        one.transport.abort()
        await one.closed
        await end(other)

    loop.run_until_complete(main())


def test_the_peer_is_gone_while_some_wait(loop: Loop, tmp_path: Path) -> None:
    skip_if_unable_to_pause(loop)

    async def main() -> None:
        one, other = await unix_pair(loop, tmp_path, Flooder)
        other.transport.pause_reading()
        count = flood(one)
        other.transport.abort()
        await other.closed
        assert isinstance(await one.errors.get(), OSError)
        assert one.transport.get_write_buffer_size() < count * 2_000
        await end(one)

    loop.run_until_complete(main())
