"""Connections for tests: a protocol that acts inside its callbacks, and its peer's plain socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.contract.loops import Loop

Act = Callable[["Acting"], Any]


class Acting(asyncio.Protocol):
    """Writes down what happens to it, and does in each callback what the test asks for.

    An act is given by the callback's name and called with the protocol; what it returns is
    what the callback returns.
    """

    transport: Any = None

    def __init__(self, **acts: Act) -> None:
        self.acts = acts
        self.events: list[Any] = []
        self.received = bytearray()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(self, callback: str, event: Any) -> Any:
        self.events.append(event)
        return self.acts[callback](self) if callback in self.acts else None

    def names(self) -> list[str]:
        """Return the names of the events, without what came with them."""
        return [event if isinstance(event, str) else event[0] for event in self.events]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("connection_made", "made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.note("data_received", ("data", data))

    def eof_received(self) -> bool | None:
        kept_open: bool | None = self.note("eof_received", "eof")
        return kept_open

    def pause_writing(self) -> None:
        self.note("pause_writing", "pause")

    def resume_writing(self) -> None:
        self.note("resume_writing", "resume")

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self.note("connection_lost", ("lost", exc))
        finally:
            self.closed.set_result(None)


class ActingBuffered(asyncio.BufferedProtocol):
    """The same for a protocol that receives into a buffer of its own."""

    transport: Any = None

    def __init__(self, size: int = 100, **acts: Callable[[ActingBuffered], Any]) -> None:
        self.acts = acts
        self.buffer = bytearray(size)
        self.events: list[Any] = []
        self.received = bytearray()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(self, callback: str, event: Any) -> Any:
        self.events.append(event)
        return self.acts[callback](self) if callback in self.acts else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("connection_made", "made")

    def get_buffer(self, sizehint: int) -> Any:
        given = self.note("get_buffer", "buffer")
        return self.buffer if given is None else given

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]
        self.note("buffer_updated", ("data", bytes(self.buffer[:nbytes])))

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(("lost", exc))
        self.closed.set_result(None)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected TCP sockets that do not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


def unix_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected Unix sockets that do not block."""
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    return one, other


@contextlib.asynccontextmanager
async def connected(
    protocol: Any, pair: tuple[socket.socket, socket.socket] | None = None
) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A transport with this protocol, and the socket of its peer; both are closed at the end."""
    one, other = pair or unix_pair()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=one)
    with other:
        try:
            yield transport, other
        finally:
            if not protocol.closed.done():  # asyncio's fails in `abort` by then
                transport.abort()
            await protocol.closed


def reset(sock: socket.socket) -> None:
    """Close a TCP connection by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def drain(sock: socket.socket) -> int:
    """Receive all that a socket has; return how much."""
    size = 0
    with contextlib.suppress(BlockingIOError):
        while part := sock.recv(1 << 20):
            size += len(part)
    return size


async def until(condition: Callable[..., object], *args: object) -> None:
    """Let the loop run until a condition holds, which is called with the other arguments."""
    while not condition(*args):
        await asyncio.sleep(0)


async def look() -> None:
    """Return when the loop has looked at the kernel, and what was there has run."""
    loop = asyncio.get_running_loop()
    one, other = unix_pair()
    with one, other:
        for _ in range(2):
            receiving = loop.create_task(loop.sock_recv(one, 1))
            await asyncio.sleep(0)
            other.send(b"x")
            await receiving
    await asyncio.sleep(0)


def fill(transport: Any) -> int:
    """Write until the kernel takes no more; return how much was written."""
    size = 0
    while not transport.get_write_buffer_size() and not transport.is_closing():
        transport.write(bytes(65536))
        size += 65536
    return size


@contextlib.contextmanager
def counted(loop: Loop) -> Iterator[Any]:
    """A loop of the same kind, whose `looks` count how often it asked for the time.

    Each turn that waits with a timer set does, once or a few times.
    """

    class Counting(type(loop)):  # type: ignore[misc]
        looks = 0

        def time(self) -> float:
            self.looks += 1
            return super().time()  # type: ignore[no-any-return]

    counting = Counting()
    try:
        yield counting
    finally:
        counting.close()


async def idle_looks(loop: Any) -> int:
    """Return how often a loop looks while it has nothing to do but to wait for a moment."""
    await look()
    before: int = loop.looks
    moment = loop.create_future()
    loop.call_later(0.02, moment.set_result, None)
    await moment
    return int(loop.looks) - before


FEW_LOOKS = 40
"""A loop that waits looks a few times; one that spins, thousands of times in as long."""
