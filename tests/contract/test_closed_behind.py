"""A program closes a socket behind the transport that it gave it to, and opens another file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.contract import tls
from tests.contract.connections import Acting, fill, look, tcp_pair, unix_pair, until
from tests.contract.loops import Loop, Reports

Close = Callable[[socket.socket], object]


@pytest.fixture(autouse=True)
def not_asyncios(loop: Loop) -> None:
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio waits for, and closes, whatever has the number")


def leave_block(sock: socket.socket) -> None:
    with sock:
        pass


def close_behind_detached(sock: socket.socket) -> None:
    os.close(sock.detach())


CLOSES: dict[str, Close] = {
    "close": socket.socket.close,
    "detach": close_behind_detached,
    "with": leave_block,
}

Use = Callable[[Any], object]

USES: dict[str, Use] = {
    "write": lambda transport: transport.write(b"secret"),
    "writelines": lambda transport: transport.writelines([b"sec", b"ret"]),
    "write_eof": lambda transport: transport.write_eof(),
    "pause and resume": lambda transport: (transport.pause_reading(), transport.resume_reading()),
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
    "write and close": lambda transport: (transport.write(b"secret"), transport.close()),
}


class Stranger:
    """Two sockets that are connected, the first of which has a given number."""

    def __init__(self, number: int) -> None:
        self.one, self.other = unix_pair()
        if self.other.fileno() == number:
            self.one, self.other = self.other, self.one
        if self.one.fileno() != number:
            os.dup2(self.one.fileno(), number, inheritable=False)
            self.one.close()
            self.one = socket.socket(fileno=number)
            self.one.setblocking(False)
        self.other.send(b"for the stranger")

    def check(self) -> None:
        """Nothing came, nothing was taken, and nothing was closed."""
        with self.one, self.other:
            with pytest.raises(BlockingIOError):
                self.other.recv(100)
            assert self.one.recv(100) == b"for the stranger"


@contextlib.contextmanager
def copied(sock: socket.socket) -> Any:
    """Keep a copy of a descriptor, as a forked child has: the kernel goes on to report its file."""
    copy = os.dup(sock.fileno())
    try:
        yield
    finally:
        os.close(copy)


@pytest.mark.parametrize("close", CLOSES.values(), ids=CLOSES)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("lives_on", [False, True], ids=["gone", "lives on"])
def test_nothing_reaches_who_has_the_number_now(
    loop: Loop, close: Close, use: Use, lives_on: bool
) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        number = one.fileno()
        with other, copied(one) if lives_on else contextlib.nullcontext():
            transport, _ = await loop.create_connection(lambda: protocol, sock=one)
            close(one)
            stranger = Stranger(number)
            with contextlib.suppress(BrokenPipeError):
                other.send(b"for the transport")
            with contextlib.suppress(OSError):
                use(transport)
            await look()
            if not transport.is_closing():
                transport.abort()
            await protocol.closed
            stranger.check()
            assert protocol.received == b""

    loop.run_until_complete(main())


@pytest.mark.parametrize("close", CLOSES.values(), ids=CLOSES)
def test_a_write_to_a_closed_socket_loses_the_connection_with_an_error(
    loop: Loop, close: Close
) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        with other:
            transport, _ = await loop.create_connection(lambda: protocol, sock=one)
            close(one)
            transport.write(b"x")
            await protocol.closed
        (name, error) = protocol.events[-1]
        assert (name, error.errno) == ("lost", errno.EBADF)

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert reports == []


@pytest.mark.parametrize("close", CLOSES.values(), ids=CLOSES)
def test_what_waits_to_be_sent_goes_to_nobody_else(loop: Loop, close: Close) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        number = one.fileno()
        with other, copied(one):
            transport, _ = await loop.create_connection(lambda: protocol, sock=one)
            fill(transport)
            close(one)
            stranger = Stranger(number)
            while not protocol.closed.done():
                with contextlib.suppress(BlockingIOError):
                    other.recv(1 << 20)
                await asyncio.sleep(0)
            stranger.check()
        assert protocol.events[-1][1].errno == errno.EBADF

    loop.run_until_complete(main())


def test_the_next_transport_of_the_number_ends_the_connection(loop: Loop) -> None:
    async def main() -> None:
        first, second = Acting(), Acting()
        one, other = unix_pair()
        number = one.fileno()
        with other:
            await loop.create_connection(lambda: first, sock=one)
            one.close()
            stranger = Stranger(number)
            transport, _ = await loop.create_connection(lambda: second, sock=stranger.one)
            await first.closed
            assert first.events[-1][1].errno == errno.EBADF
            await until(lambda: second.received)
            assert second.received == b"for the stranger"
            transport.write(b"answer")
            assert stranger.other.recv(100) == b"answer"
            transport.close()
            await second.closed
            stranger.other.close()

    loop.run_until_complete(main())


def test_the_number_can_be_read_by_others(loop: Loop) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        number = one.fileno()
        with other:
            await loop.create_connection(lambda: protocol, sock=one)
            one.close()
            stranger = Stranger(number)
            assert await loop.sock_recv(stranger.one, 100) == b"for the stranger"
            stranger.other.send(b"for the stranger")
            readable = asyncio.Event()
            loop.add_reader(number, readable.set)
            await readable.wait()
            assert loop.remove_reader(number)
            stranger.check()
            await protocol.closed
            assert protocol.events[-1][1].errno == errno.EBADF

    loop.run_until_complete(main())


def test_the_socket_of_an_accepted_connection(loop: Loop) -> None:
    async def main() -> None:
        accepted = loop.create_future()
        protocol = Acting(connection_made=lambda protocol: accepted.set_result(protocol.transport))
        server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            transport = await accepted
            # asyncio gives access to what its transports wrap.
            sock = transport.get_extra_info("socket")._sock
            number = sock.fileno()
            sock.close()
            stranger = Stranger(number)
            transport.write(b"secret")
            await protocol.closed
            stranger.check()
        assert protocol.events[-1][1].errno == errno.EBADF
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_a_number_that_was_closed_by_itself_is_not_closed_again(loop: Loop) -> None:
    async def main() -> None:
        accepted = loop.create_future()
        protocol = Acting(connection_made=lambda protocol: accepted.set_result(protocol.transport))
        server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            transport = await accepted
            number = transport._sock_fd
            os.close(number)
            stranger = Stranger(number)
            transport.abort()
            await protocol.closed
            stranger.check()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(main())


def test_a_transport_that_nobody_closed_closes_no_number_of_others(loop: Loop) -> None:
    numbers: list[int] = []

    async def main() -> None:
        accepted = loop.create_future()
        protocol = Acting(connection_made=lambda protocol: accepted.set_result(protocol.transport))
        server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            numbers.append((await accepted)._sock_fd)
        server.close()

    loop.run_until_complete(main())
    os.close(numbers[0])
    stranger = Stranger(numbers[0])
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        gc.collect()
    stranger.check()


@pytest.mark.parametrize("close", CLOSES.values(), ids=CLOSES)
def test_datagrams_reach_nobody_else(loop: Loop, close: Close) -> None:
    class Receiving(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.received: list[bytes] = []
            self.errors: list[Any] = []
            self.lost = loop.create_future()

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.received.append(data)

        def error_received(self, exc: Exception) -> None:
            self.errors.append(exc)

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set_result(exc)

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as target:
            target.bind(("127.0.0.1", 0))
            target.setblocking(False)
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
            number, address = sock.fileno(), sock.getsockname()
            transport, protocol = await loop.create_datagram_endpoint(Receiving, sock=sock)
            close(sock)
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stranger.bind(address)
            assert stranger.fileno() == number
            target.sendto(b"for the stranger", address)
            with contextlib.suppress(OSError):
                transport.sendto(b"secret", target.getsockname())
            await look()
            transport.abort()
            await protocol.lost
            assert protocol.received == []
            with pytest.raises(BlockingIOError):
                target.recv(100)
            with stranger:
                assert stranger.recv(100) == b"for the stranger"

    loop.set_exception_handler(Reports())
    loop.run_until_complete(main())


def test_a_server_accepts_nothing_for_others(loop: Loop) -> None:
    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        number, address = sock.fileno(), sock.getsockname()
        server = await loop.create_server(Acting, sock=sock)
        copy = sock.dup()
        sock.close()
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert other.fileno() == number
            with socket.create_connection(other.getsockname()):
                with copy, socket.create_connection(address):
                    await look()
                other.settimeout(10)
                accepted, _ = other.accept()
                accepted.close()
        with contextlib.suppress(ValueError):
            server.close()

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert [report["exception"].errno for report in reports] == [errno.EBADF]


def test_below_tls(loop: Loop) -> None:
    async def main() -> None:
        one, other = tcp_pair()
        number = one.fileno()
        client, server = Acting(), Acting()
        await asyncio.gather(
            loop.create_connection(
                lambda: client, sock=one, ssl=tls.client_context(), server_hostname="localhost"
            ),
            loop.connect_accepted_socket(lambda: server, other, ssl=tls.server_context()),
        )
        one.close()
        stranger = Stranger(number)
        client.transport.write(b"secret")
        await client.closed
        stranger.check()
        assert client.events[-1][1].errno == errno.EBADF
        server.transport.abort()
        await server.closed

    loop.run_until_complete(main())


ACT: dict[str, Callable[[Loop, socket.socket], Awaitable[Any]]] = {
    "sock_recv": lambda loop, sock: loop.sock_recv(sock, 100),
    "sock_recv_into": lambda loop, sock: loop.sock_recv_into(sock, bytearray(100)),
    "sock_sendall": lambda loop, sock: loop.sock_sendall(sock, bytes(10_000_000)),
}


@pytest.mark.parametrize("act", ACT.values(), ids=ACT)
def test_operations_on_a_socket_that_is_closed_meanwhile(
    loop: Loop, act: Callable[[Loop, socket.socket], Awaitable[Any]]
) -> None:
    async def main() -> None:
        one, other = unix_pair()
        number = one.fileno()
        with other:
            acting = asyncio.ensure_future(act(loop, one))
            await asyncio.sleep(0)
            one.close()
            stranger = Stranger(number)
            await look()
            with contextlib.suppress(BlockingIOError):
                while other.recv(1 << 20):
                    pass
            acting.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await acting
            stranger.check()

    loop.run_until_complete(main())
