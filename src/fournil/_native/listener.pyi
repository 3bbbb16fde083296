import asyncio
import socket
import ssl
from collections.abc import Callable
from contextvars import Context

from typing_extensions import disjoint_base

from fournil._native.channel import Channel

@disjoint_base
class Listener(Channel): ...

def listen(
    loop: asyncio.AbstractEventLoop,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    sock: socket.socket,
    sslcontext: ssl.SSLContext | None,
    server: asyncio.AbstractServer | None,
    backlog: int,
    ssl_handshake_timeout: float | None,
    ssl_shutdown_timeout: float | None,
    context: Context | None = None,
) -> None: ...
def stop_listening(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None: ...
