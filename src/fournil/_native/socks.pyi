import asyncio
import socket
from typing import Any, final

from _typeshed import ReadableBuffer, WriteableBuffer
from typing_extensions import disjoint_base

from fournil._native.handles import Handle

@disjoint_base
class Operation(Handle):
    @property
    def future(self) -> asyncio.Future[Any]: ...
    def give_up(self) -> None: ...

@final
class SockRecv(Operation): ...

@final
class SockRecvInto(Operation): ...

@final
class SockSendAll(Operation): ...

@final
class SockCall(Operation): ...

def recv(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, nbytes: int
) -> bytes | Operation: ...
def recv_into(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, buf: WriteableBuffer
) -> int | Operation: ...
def sendall(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, data: ReadableBuffer
) -> Operation | None: ...
def recvfrom(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, bufsize: int
) -> tuple[bytes, Any] | Operation: ...
def recvfrom_into(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, buf: WriteableBuffer, nbytes: int
) -> tuple[int, Any] | Operation: ...
def sendto(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, data: ReadableBuffer, address: Any
) -> int | Operation: ...
def accept(
    loop: asyncio.AbstractEventLoop, sock: socket.socket
) -> tuple[socket.socket, Any] | Operation: ...
def accept_one(sock: socket.socket) -> tuple[socket.socket, Any]: ...
