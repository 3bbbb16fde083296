"""`loop.sock_recv` and its like: asyncio's methods, on native operations.

A socket of a subclass may have methods of its own, and is asyncio's affair.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from fournil._native import socks

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class SocketCalls(asyncio.SelectorEventLoop):
    """The methods of a loop that operate on socket objects."""

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        """Return at most `nbytes` bytes of a socket, as soon as there are some."""
        if type(sock) is not socket.socket:
            return await super().sock_recv(sock, nbytes)
        data = socks.recv(self, sock, nbytes)
        return await _result(data) if isinstance(data, socks.Operation) else data

    async def sock_recv_into(self, sock: socket.socket, buf: WriteableBuffer) -> int:
        """Receive into a writable buffer; return how many bytes came."""
        if type(sock) is not socket.socket:
            return await super().sock_recv_into(sock, buf)
        count = socks.recv_into(self, sock, buf)
        return await _result(count) if isinstance(count, socks.Operation) else count

    async def sock_sendall(self, sock: socket.socket, data: ReadableBuffer) -> None:
        """Send all of `data`; cancelled, it leaves open how much was sent."""
        if type(sock) is not socket.socket:
            await super().sock_sendall(sock, data)
            return
        rest = socks.sendall(self, sock, data)
        if rest is not None:
            await _result(rest)

    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
        """Return one datagram, at most `bufsize` bytes of it, and who sent it."""
        if type(sock) is not socket.socket:
            datagram: tuple[bytes, Any] = await super().sock_recvfrom(sock, bufsize)
            return datagram
        came = socks.recvfrom(self, sock, bufsize)
        return await _result(came) if isinstance(came, socks.Operation) else came

    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: WriteableBuffer, nbytes: int = 0
    ) -> tuple[int, Any]:
        """Receive a datagram into a writable buffer; return how long it is and who sent it."""
        if type(sock) is not socket.socket:
            datagram: tuple[int, Any] = await super().sock_recvfrom_into(sock, buf, nbytes)
            return datagram
        came = socks.recvfrom_into(self, sock, buf, nbytes)
        return await _result(came) if isinstance(came, socks.Operation) else came

    async def sock_sendto(self, sock: socket.socket, data: ReadableBuffer, address: Any) -> int:
        """Send a datagram to `address`; return how many bytes were sent."""
        if type(sock) is not socket.socket:
            return await super().sock_sendto(sock, data, address)
        sent = socks.sendto(self, sock, data, address)
        return await _result(sent) if isinstance(sent, socks.Operation) else sent

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept a connection; return a socket that does not block, and the peer's address."""
        if type(sock) is not socket.socket:
            return await super().sock_accept(sock)
        made = socks.accept(self, sock)
        return await _result(made) if isinstance(made, socks.Operation) else made


async def _result(operation: socks.Operation) -> Any:
    try:
        return await operation.future
    except BaseException:
        operation.give_up()
        raise
