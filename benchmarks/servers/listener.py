"""What a server listens on, the same for every loop and every server program."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

BACKLOG = 4096

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """A socket that listens, and how to serve it by each of asyncio's interfaces.

    Args:
        over: tcp, unix, udp or tls.
        size: of the messages that will come.
        folder: a place for a socket's file.
        tls: with which to serve TLS.
    """

    def __init__(
        self, over: str, size: int, folder: Path, tls: ssl.SSLContext | None = None
    ) -> None:
        self.over = over
        self.size = size
        self.tls = tls
        self._path = folder / "socket"
        self.socket = self._bound()
        if over != "udp":
            self.socket.listen(BACKLOG)
        self.socket.setblocking(False)
        # Now: rloop takes the socket's descriptor away from it.
        self.address = self._address()

    async def serve(self, factory: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if self.over == "unix":
            return await loop.create_unix_server(factory, sock=self.socket, backlog=BACKLOG)
        return await loop.create_server(factory, sock=self.socket, backlog=BACKLOG, ssl=self.tls)

    async def serve_streams(self, handler: Handler) -> asyncio.Server:
        limit = max(2**16, 2 * self.size)
        if self.over == "unix":
            return await asyncio.start_unix_server(
                handler, sock=self.socket, backlog=BACKLOG, limit=limit
            )
        return await asyncio.start_server(
            handler, sock=self.socket, backlog=BACKLOG, limit=limit, ssl=self.tls
        )

    def _address(self) -> str:
        """As a load takes it."""
        if self.over == "unix":
            return f"unix:{self._path}"
        kind = "udp" if self.over == "udp" else "tcp"
        return f"{kind}:{self.socket.getsockname()[1]}"

    def _bound(self) -> socket.socket:
        if self.over == "unix":
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.bind(str(self._path))
            return made
        # Named, as getaddrinfo names it: asyncio sends small writes at once (TCP_NODELAY) on
        # connections alone whose listener says that it is TCP, uvloop on all.
        if self.over == "udp":
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
        else:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.bind(("127.0.0.1", 0))
        return made
