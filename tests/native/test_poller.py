"""Registrations with the kernel: those that outlast their reader, and those of lost files."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator

import pytest

import fournil
from tests.contract.connections import Acting, connected, look, unix_pair, until
from tests.contract.test_fork import in_child


@pytest.fixture
def loop() -> Iterator[fournil.EventLoop]:
    loop = fournil.EventLoop()
    yield loop
    loop.close()


def registered(loop: fournil.EventLoop) -> dict[int, int]:
    """Return what the kernel reports to a loop: for each descriptor, the mask of events."""
    with open(f"/proc/self/fdinfo/{loop._poller.fileno()}") as info:
        fields = [line.split() for line in info if line.startswith("tfd:")]
    return {int(field[1]): int(field[3], 16) & 0xFFFF for field in fields}


def test_a_registration_outlasts_sock_recv(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        one, other = unix_pair()
        with one, other:
            for _ in range(3):
                receiving = loop.create_task(loop.sock_recv(one, 10))
                await asyncio.sleep(0)
                other.send(b"x")
                await receiving
                assert one.fileno() in registered(loop)
                assert one.fileno() not in loop._poller.watched_fds()
            # What nobody waits for ends it.
            other.send(b"x")
            await look()
            assert one.fileno() not in registered(loop)
            assert await loop.sock_recv(one, 10) == b"x"

    loop.run_until_complete(main())


def test_a_paused_transport_is_taken_back_at_the_next_report_only(
    loop: fournil.EventLoop,
) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, peer):
            await look()
            number = transport.get_extra_info("socket").fileno()
            transport.pause_reading()
            assert registered(loop)[number]
            transport.resume_reading()
            transport.pause_reading()
            peer.send(b"x")
            await look()
            assert number not in registered(loop)
            transport.resume_reading()
            await until(lambda: protocol.received)

    loop.run_until_complete(main())


def test_a_closed_transport_leaves_no_registration(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        before = registered(loop)
        for _ in range(3):
            async with connected(Acting()) as (transport, _):
                await look()
                assert registered(loop).keys() > before.keys()
                transport.close()
        assert registered(loop).keys() == before.keys()

    loop.run_until_complete(main())


def lose(loop: fournil.EventLoop, copies: list[int]) -> socket.socket:
    """Close a registered file of which a copy lives on; return its peer."""
    one, other = unix_pair()
    loop.add_reader(one.fileno(), os.read, one.fileno(), 10)
    copies.append(os.dup(one.fileno()))
    # Taken back after it was closed, when the kernel does not know its number any more.
    number = one.fileno()
    one.close()
    loop.remove_reader(number)
    return other


@pytest.fixture
def copies() -> Iterator[list[int]]:
    copies: list[int] = []
    yield copies
    for fd in copies:
        os.close(fd)


def test_a_lost_file_makes_for_a_new_instance_with_all_the_others(
    loop: fournil.EventLoop, copies: list[int]
) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        with one, other:
            async with connected(protocol) as (_, peer):
                read: list[bytes] = []
                loop.add_reader(one, lambda: read.append(one.recv(10)))
                await look()
                before = registered(loop)
                with lose(loop, copies) as lost:
                    lost.send(b"for nobody")
                    await look()
                    await look()
                    assert registered(loop).keys() == before.keys()
                peer.send(b"to the transport")
                other.send(b"reader")
                await until(lambda: protocol.received and read)
                loop.remove_reader(one)

    loop.run_until_complete(main())


def test_a_new_instance_while_no_descriptor_is_left(
    loop: fournil.EventLoop, copies: list[int]
) -> None:
    from tests.contract.test_servers import no_descriptor_left

    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        with one, other:
            async with connected(protocol) as (_, peer):
                with lose(loop, copies) as lost:
                    receiving = loop.create_task(loop.sock_recv(one, 1))
                    await asyncio.sleep(0)
                    with no_descriptor_left():
                        lost.send(b"for nobody")
                        peer.send(b"hello")
                        other.send(b"x")
                        await receiving
                        await until(lambda: protocol.received)

    loop.run_until_complete(main())


def test_a_new_instance_does_without_what_was_closed_unsaid(
    loop: fournil.EventLoop, copies: list[int]
) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (_, peer):
            one, other = unix_pair()
            loop.add_reader(one.fileno(), print)
            number = one.fileno()
            one.close()
            with other, lose(loop, copies) as lost:
                lost.send(b"for nobody")
                await look()
                await look()
            peer.send(b"hello")
            await until(lambda: protocol.received)
            loop.remove_reader(number)

    loop.run_until_complete(main())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_that_keeps_connections_which_the_parent_closes(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        with other:
            receiving = loop.create_task(loop.sock_recv(one, 10))
            await asyncio.sleep(0)
            other.send(b"x")
            await receiving
            async with connected(protocol) as (transport, peer):
                ready, go = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.close(go)
                    os.read(ready, 1)  # until the parent is done
                    os._exit(0)
                os.close(ready)
                one.close()
                transport.close()
                await protocol.closed
                other.send(b"for the child, if anyone")
                if protocol.closed.done():
                    peer.send(b"likewise")
                await look()
                next_protocol = Acting()
                async with connected(next_protocol) as (_, next_peer):
                    next_peer.send(b"hello")
                    await until(lambda: next_protocol.received == b"hello")
                os.close(go)
                os.waitpid(pid, 0)

    loop.run_until_complete(main())


def test_a_loop_in_a_forked_child_has_its_own_connections(loop: fournil.EventLoop) -> None:
    def child() -> None:
        async def main() -> None:
            protocol = Acting()
            async with connected(protocol) as (_, peer):
                peer.send(b"hello")
                await until(lambda: protocol.received == b"hello")

        fournil.run(main())

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (_, peer):
            await look()
            assert in_child(child) == 0
            peer.send(b"hello")
            await until(lambda: protocol.received == b"hello")

    loop.run_until_complete(main())


def test_a_loop_that_gets_no_descriptor_leaves_none_behind() -> None:
    from tests.contract.test_servers import no_descriptor_left

    before = len(os.listdir("/proc/self/fd"))
    with no_descriptor_left(), pytest.raises(OSError) as caught:
        fournil.EventLoop()
    assert caught.value.errno == errno.EMFILE
    assert len(os.listdir("/proc/self/fd")) == before
