"""What the tests of TLS share: contexts, and a peer that a test drives record by record."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

CERTIFICATES = Path(__file__).parents[1] / "certificates"
TRUSTED = CERTIFICATES / "localhost.crt"

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def server_context(
    version: ssl.TLSVersion | None = None, certificate: str = "localhost.crt"
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate, CERTIFICATES / "localhost.key")
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def client_context(
    version: ssl.TLSVersion | None = None, certificate: str = "localhost.crt"
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=CERTIFICATES / certificate)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    await close(writer)


class ByHand:
    """One end of a TLS connection, over streams in the clear: each record is sent by hand.

    It uses no TLS of any loop, so that it can end a connection in all the ways there are.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
        server_hostname: str | None = None,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.read_before = bytearray()
        self.ssl = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )

    async def until_done(self, method: Callable[..., T], *args: object) -> T:
        while True:
            try:
                result = method(*args)
            except ssl.SSLWantReadError:
                await self.flush()
                if not (data := await self.reader.read(65536)):
                    raise EOFError from None
                self.incoming.write(data)
            else:
                await self.flush()
                return result

    async def flush(self) -> None:
        if data := self.outgoing.read():
            self.writer.write(data)
            await self.writer.drain()

    async def handshake(self) -> None:
        await self.until_done(self.ssl.do_handshake)

    async def read(self, size: int = 65536) -> bytes:
        """Return what one record holds; empty at the peer's end."""
        if self.read_before:
            data = bytes(self.read_before[:size])
            del self.read_before[:size]
            return data
        return await self.until_done(self.ssl.read, size)

    async def read_exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = await self.read(size - len(data))
            if not chunk:
                raise EOFError(f"after {len(data)} of {size} bytes")
            data += chunk
        return bytes(data)

    async def read_to_end(self) -> bytes:
        data = bytearray()
        while chunk := await self.read():
            data += chunk
        return bytes(data)

    def encrypted(self, *parts: bytes) -> bytes:
        """Return the records of some data, a record each."""
        for part in parts:
            self.ssl.write(part)
        return self.outgoing.read()

    def close_notify(self) -> bytes:
        """Return the record that says that this end sends no more."""
        # OpenSSL would look for the peer's end and take what is before it for an error.
        with contextlib.suppress(ssl.SSLWantReadError):
            while data := self.ssl.read(65536):
                self.read_before += data
        with contextlib.suppress(ssl.SSLWantReadError):
            self.ssl.unwrap()
        return self.outgoing.read()

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a reset."""
        sock: Any = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """Serve on a port of its own; yield the address, and see each handler to its end."""
    handlers: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        try:
            await handler(reader, writer)
        finally:
            await close(writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()
        await asyncio.gather(*handlers)


class Recorded(asyncio.Protocol):
    """A protocol that keeps what it is told."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.calls: list[str] = []
        self.data = bytearray()
        self.transport: Any = None
        self.error: BaseException | None = None
        self.got_data = asyncio.Event()
        self.paused = asyncio.Event()
        self.resumed = asyncio.Event()
        self.ended = asyncio.Event()
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        assert data
        if self.calls[-1] != "data":
            self.calls.append("data")
        self.data += data
        self.got_data.set()

    def eof_received(self) -> None:
        self.calls.append("eof")
        self.ended.set()

    def pause_writing(self) -> None:
        self.paused.set()
        self.resumed.clear()

    def resume_writing(self) -> None:
        self.resumed.set()
        self.paused.clear()

    def connection_lost(self, error: BaseException | None) -> None:
        self.calls.append("lost")
        self.error = error
        self.lost.set_result(None)


async def connect(
    address: tuple[str, int], factory: Callable[[], asyncio.BaseProtocol] = Recorded, **options: Any
) -> Any:
    """Connect to a server by TLS, and return the protocol."""
    options.setdefault("ssl", client_context())
    options.setdefault("server_hostname", "localhost")
    _, protocol = await asyncio.get_running_loop().create_connection(factory, *address, **options)
    return protocol


def server_by_hand(
    handler: Callable[[ByHand], Awaitable[None]], version: ssl.TLSVersion | None = None
) -> Handler:
    """Return a stream handler that takes the server's side of the handshake by hand first."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = ByHand(reader, writer, server_context(version))
        await peer.handshake()
        await handler(peer)

    return handle


def some(size: int) -> bytes:
    """Return bytes in which each place is told from the next."""
    return (b"".join(n.to_bytes(4, "big") for n in range(size // 4 + 1)))[:size]


class Buffered(asyncio.BufferedProtocol):
    """Receives into a buffer of a size that the test chooses."""

    size = 0

    def __init__(self) -> None:
        self.data = bytearray()
        self.buffer = bytearray(self.size)
        self.wanted = 0
        self.done = asyncio.Event()
        self.lost = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self.buffer)
        self.data += self.buffer[:nbytes]
        if len(self.data) >= self.wanted:
            self.done.set()

    def connection_lost(self, error: BaseException | None) -> None:
        self.lost.set_result(error)


class Below(asyncio.Transport):
    """Hands what is written to a protocol's other end, in a later turn."""

    _start_tls_compatible = True

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self.protocol: Any = protocol
        self.other: Below
        self.closing = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def write(self, data: Any) -> None:
        if not self.closing:
            self.loop.call_soon(self.other.receive, bytes(data))

    def receive(self, data: bytes) -> None:
        if self.closing:
            return
        # The buffer is asked for long before it is filled.
        buffer = self.protocol.get_buffer(-1)
        assert len(buffer) >= len(data)
        self.loop.call_soon(self.fill, buffer, data)

    def fill(self, buffer: memoryview, data: bytes) -> None:
        if not self.closing:
            buffer[: len(data)] = data
            self.protocol.buffer_updated(len(data))

    def is_closing(self) -> bool:
        return self.closing

    def _force_close(self, error: BaseException | None) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.protocol.connection_lost, error)

    def close(self) -> None:
        self._force_close(None)

    def abort(self) -> None:
        self._force_close(None)


async def over_own_transports(one: Recorded, two: Recorded) -> tuple[Any, Any]:
    """Return the ends, a client's and a server's, of TLS over transports that take all at once."""
    loop = asyncio.get_running_loop()
    one.calls.append("made")
    two.calls.append("made")
    left, right = Below(one), Below(two)
    left.other, right.other = right, left
    near, far = await asyncio.gather(
        loop.start_tls(left, one, client_context(), server_hostname="localhost"),
        loop.start_tls(right, two, server_context(), server_side=True),
    )
    return near, far
