import asyncio
import socket
from typing import Any

from typing_extensions import disjoint_base

from fournil._native.endpoint import Endpoint
from fournil._native.transport import SocketTransport

@disjoint_base
class Datagrams(Endpoint): ...

class DatagramTransport(SocketTransport, asyncio.DatagramTransport): ...

def adopt(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    address: Any = None,
    waiter: asyncio.Future[None] | None = None,
    extra: dict[str, Any] | None = None,
) -> DatagramTransport: ...
