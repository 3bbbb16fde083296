"""An echo by the loop's operations on sockets."""

from __future__ import annotations

import asyncio
import socket

from benchmarks.servers.listener import Listener

READ_AT_ONCE = 64 * 1024


async def echo(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    if connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while data := await loop.sock_recv(connection, READ_AT_ONCE):
            await loop.sock_sendall(connection, data)


async def accept(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()
    while True:
        connection, _ = await loop.sock_accept(listening)
        task = asyncio.create_task(echo(connection))
        connections.add(task)
        task.add_done_callback(connections.discard)


async def start(listener: Listener) -> object:
    return asyncio.create_task(accept(listener.socket))
