"""The kernel gives a closed descriptor's number to the next file; nothing of the old one stays."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

from tests.contract.loops import Loop

Pair = tuple[socket.socket, socket.socket]


class Ending(asyncio.Protocol):
    """Tells when its connection is gone."""

    def __init__(self) -> None:
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)


ENDS: dict[str, Callable[[asyncio.Transport], object]] = {
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
}


def sockets_with(number: int) -> Pair:
    """Return a pair of sockets, the first of which has a descriptor of this number."""
    one, other = socket.socketpair()
    if one.fileno() != number:
        os.dup2(one.fileno(), number, inheritable=False)
        one.close()
        one = socket.socket(fileno=number)
    one.setblocking(False)
    other.setblocking(False)
    return one, other


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_transports_number_is_free_once_it_is_closed(
    loop: Loop, pair: Pair, end: Callable[[asyncio.Transport], object]
) -> None:
    async def main() -> None:
        transport, protocol = await loop.create_connection(Ending, sock=pair[0])
        number = pair[0].fileno()
        end(transport)
        await protocol.lost
        one, other = sockets_with(number)
        with one, other:
            # Neither is refused as being used by a transport.
            receiving = loop.create_task(loop.sock_recv(one, 100))
            await asyncio.sleep(0)
            await loop.sock_sendall(other, b"for the new one")
            assert await receiving == b"for the new one"
            readable = asyncio.Event()
            loop.add_reader(one, readable.set)
            await loop.sock_sendall(other, b"more")
            await readable.wait()
            loop.remove_reader(one)

    loop.run_until_complete(main())


def test_a_readers_number_can_become_a_transports(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        loop.add_reader(pair[0], pytest.fail, "what is closed cannot be read")
        number = pair[0].fileno()
        loop.remove_reader(pair[0])
        pair[0].close()
        one, other = sockets_with(number)
        with other:
            reader, writer = await asyncio.open_connection(sock=one)
            other.sendall(b"a line\n")
            assert await reader.readline() == b"a line\n"
            writer.close()
            await writer.wait_closed()

    loop.run_until_complete(main())


def test_each_request_gets_its_own_answer(loop: Loop) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(b"answer to " + line)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def ask(address: tuple[str, int], number: int) -> None:
        # Clients of each kind come and go, and take each other's numbers.
        if number % 2:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"answer to %d\n" % number
            if number % 3:
                writer.transport.abort()
            else:
                writer.close()
            return
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            await loop.sock_sendall(sock, b"%d\n" % number)
            received = b""
            while not received.endswith(b"\n"):
                received += await loop.sock_recv(sock, 100)
            assert received == b"answer to %d\n" % number

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        async with server:
            for first in range(0, 400, 20):
                async with asyncio.TaskGroup() as group:
                    for number in range(first, first + 20):
                        group.create_task(ask(address, number))
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    loop.run_until_complete(main())
