"""File descriptors whose numbers are given again, and whose files live on elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import socket
import weakref
from pathlib import Path
from typing import Any

import pytest

from tests.contract.connections import (
    FEW_LOOKS,
    Acting,
    connected,
    counted,
    idle_looks,
    look,
    tcp_pair,
    unix_pair,
    until,
)
from tests.contract.loops import Loop


def make_pair(number: int) -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, the first with a certain descriptor, which must be free."""
    one, other = unix_pair()
    if one.fileno() != number:
        fd = one.detach()
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
        one = socket.socket(fileno=number)
        one.setblocking(False)
    return one, other


def wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def receive(sock: socket.socket, got: list[bytes]) -> None:
    got.append(sock.recv(10))


def test_a_number_that_goes_from_transport_to_transport(loop: Loop) -> None:
    async def main() -> None:
        one, other = unix_pair()
        number = one.fileno()
        for round_ in range(50):
            protocol = Acting()
            async with connected(protocol, (one, other)) as (_, peer):
                peer.send(b"%d" % round_)
                await until(lambda protocol: protocol.received, protocol)
                assert protocol.received == b"%d" % round_
            one, other = make_pair(number)
        one.close()
        other.close()

    loop.run_until_complete(main())


def test_a_number_that_goes_from_sock_recv_to_a_transport_and_back(loop: Loop) -> None:
    async def main() -> None:
        one, other = unix_pair()
        number = one.fileno()
        for _ in range(20):
            with one, other:
                receiving = loop.create_task(loop.sock_recv(one, 10))
                await asyncio.sleep(0)
                other.send(b"sock")
                assert await receiving == b"sock"
            protocol = Acting()
            async with connected(protocol, make_pair(number)) as (_, peer):
                peer.send(b"transport")
                await until(lambda protocol: protocol.received, protocol)
                assert protocol.received == b"transport"
            one, other = make_pair(number)
        one.close()
        other.close()

    loop.run_until_complete(main())


def test_a_number_that_goes_from_sock_recv_to_a_reader(loop: Loop) -> None:
    async def main() -> None:
        one, other = unix_pair()
        number = one.fileno()
        for _ in range(20):
            with one, other:
                receiving = loop.create_task(loop.sock_recv(one, 10))
                await asyncio.sleep(0)
                other.send(b"sock")
                assert await receiving == b"sock"
            one, other = make_pair(number)
            read: list[bytes] = []
            loop.add_reader(number, receive, one, read)
            other.send(b"reader")
            await until(lambda read: read, read)
            assert loop.remove_reader(number)
            assert read == [b"reader"]
        one.close()
        other.close()

    loop.run_until_complete(main())


def test_an_operation_on_a_closed_socket_takes_nothing_from_the_next(loop: Loop) -> None:
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio refuses a number that it still thinks registered")

    async def main() -> None:
        one, other = unix_pair()
        number = one.fileno()
        receiving = loop.create_task(loop.sock_recv(one, 10))
        await look()
        one.close()
        other.close()
        next_one, next_other = make_pair(number)
        with next_one, next_other:
            next_other.send(b"for the next")
            # A writer has the number registered, and with it what waited for the old socket.
            written = loop.create_future()
            loop.add_writer(number, wake, written)
            await written
            await look()
            assert loop.remove_writer(number)
            assert next_one.recv(100) == b"for the next"
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await receiving

    loop.run_until_complete(main())


def test_a_socket_that_is_closed_in_the_turn_in_which_it_is_read(loop: Loop) -> None:
    async def main() -> None:
        one, other = unix_pair()
        number = one.fileno()
        receiving = loop.create_task(loop.sock_recv(one, 10))
        made: list[socket.socket] = []

        def close_and_open() -> None:
            first.recv(1)
            one.close()
            made.extend(make_pair(number))
            made[1].send(b"for the next")

        # Of two sockets that have something in one turn, the first one's reader closes the other.
        first, first_other = unix_pair()
        await look()
        with first, first_other, other:
            loop.add_reader(first, close_and_open)
            first_other.send(b"x")
            other.send(b"for the first")
            await until(lambda: made)
            with made[0], made[1]:
                await look()
                assert loop.remove_reader(first)
                assert made[0].recv(100) == b"for the next"
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await receiving

    loop.run_until_complete(main())


@pytest.mark.parametrize("user", ["sock_recv", "transport", "reader"])
def test_a_file_that_lives_on_elsewhere_does_not_keep_a_loop_awake(loop: Loop, user: str) -> None:
    """A copy, such as a forked child has, keeps the kernel reporting a file closed here."""
    if type(loop) is asyncio.SelectorEventLoop and user == "reader":
        pytest.skip("asyncio spins")

    async def main(counting: Any) -> int:
        one, other = unix_pair()
        number = one.fileno()
        copy = os.dup(number)
        try:
            if user == "sock_recv":
                with one:
                    receiving = counting.create_task(counting.sock_recv(one, 10))
                    await asyncio.sleep(0)
                    other.send(b"x")
                    await receiving
            elif user == "reader":
                # Closed without a word, as no program should.
                counting.add_reader(number, os.read, number, 10)
                await look()
                one.close()
            else:
                protocol = Acting()
                async with connected(protocol, (one, other.dup())):
                    await look()
            # The number's next owner waits for something else.
            next_one, next_other = make_pair(number)
            with next_one, next_other, other:
                waiting = counting.create_task(counting.sock_recv(next_one, 10))
                await asyncio.sleep(0)
                other.send(b"for nobody here")
                looks = await idle_looks(counting)
                next_other.send(b"hello")
                assert await waiting == b"hello"
                return looks
        finally:
            os.close(copy)

    with counted(loop) as counting:
        assert counting.run_until_complete(main(counting)) < FEW_LOOKS


def test_a_regular_file_is_refused_and_not_kept(loop: Loop, tmp_path: Path) -> None:
    file = (tmp_path / "file").open("w")
    gone = weakref.ref(file)
    for add in (loop.add_reader, loop.add_writer):
        with pytest.raises(PermissionError):
            add(file, print)
    file.close()
    del file, add
    gc.collect()
    assert gone() is None


def test_connecting_a_closed_socket_is_refused(loop: Loop) -> None:
    async def main() -> None:
        one, other = unix_pair()
        one.close()
        other.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await loop.create_connection(asyncio.Protocol, sock=one)
        with pytest.raises(OSError, match="Bad file descriptor"):
            await loop.sock_recv(one, 1)
        with pytest.raises(ValueError, match=r"[Ii]nvalid file descriptor"):
            loop.add_reader(one, print)
        with pytest.raises(ValueError, match=r"[Ii]nvalid file descriptor"):
            loop.add_reader(-1, print)

    loop.run_until_complete(main())


def test_readers_of_a_transports_descriptor_are_refused(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol) as (transport, _):
            sock = transport.get_extra_info("socket")
            for add in (loop.add_reader, loop.add_writer):
                with pytest.raises(RuntimeError, match="is used by transport"):
                    add(sock.fileno(), print)
            with pytest.raises(RuntimeError, match="is used by transport"):
                loop.remove_reader(sock.fileno())

    loop.run_until_complete(main())


def test_a_great_descriptor(loop: Loop) -> None:
    number = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 5000) - 1

    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, make_pair(number)) as (transport, peer):
            assert transport.get_extra_info("socket").fileno() == number
            peer.send(b"hello")
            await until(lambda: protocol.received == b"hello")

    loop.run_until_complete(main())


def test_writes_from_another_thread(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        async with connected(protocol, tcp_pair()) as (transport, peer):

            def write() -> None:
                for number in range(1000):
                    transport.write(b"%03d" % number)

            writing = loop.run_in_executor(None, write)
            got = bytearray()
            while len(got) < 3000:
                got += await loop.sock_recv(peer, 10_000)
            await writing
            assert got == b"".join(b"%03d" % number for number in range(1000))

    loop.run_until_complete(main())
