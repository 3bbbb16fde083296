"""Handles, timers, transports, listeners and operations: none is left once a loop is closed."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import fournil
from fournil.record.layout import MINIMUM_SIZE
from tests.contract.handles import living

Work = Callable[[fournil.EventLoop], Coroutine[Any, Any, None]]


async def callbacks(loop: fournil.EventLoop) -> None:
    for _ in range(100):
        loop.call_soon(str)
        loop.call_soon_threadsafe(str)
        loop.call_soon(str).cancel()
        loop.call_later(0, str)
        loop.call_later(1000, str).cancel()
        loop.call_later(1000, str)


async def readers_and_signals(loop: fournil.EventLoop) -> None:
    one, other = os.pipe()
    loop.add_reader(one, os.read, one, 1)
    loop.add_writer(other, loop.remove_writer, other)
    loop.add_signal_handler(signal.SIGUSR1, str)
    os.write(other, b"x")
    await asyncio.sleep(0.001)
    loop.remove_reader(one)
    os.close(one)
    os.close(other)
    loop.remove_signal_handler(signal.SIGUSR1)


async def streams(loop: fournil.EventLoop) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def ask(number: int) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"%d\n" % number)
        assert await reader.readline() == b"%d\n" % number
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()
        await asyncio.gather(*map(ask, range(20)))


async def datagrams(loop: fournil.EventLoop) -> None:
    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            received.set_result(data)

    received: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    transport.sendto(b"hello", transport.get_extra_info("sockname"))
    assert await received == b"hello"
    transport.close()
    await asyncio.sleep(0)


async def operations(loop: fournil.EventLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        server.setblocking(False)
        client.setblocking(False)
        accepting = asyncio.create_task(loop.sock_accept(server))
        await loop.sock_connect(client, server.getsockname())
        connection, _ = await accepting
        with connection:
            receiving = asyncio.create_task(loop.sock_recv(connection, 10))
            await asyncio.sleep(0)
            await loop.sock_sendall(client, b"hello")
            assert await receiving == b"hello"
            never = asyncio.create_task(loop.sock_recv(connection, 10))
            await asyncio.sleep(0)
            never.cancel()
            await asyncio.wait([never])


async def abandoned(loop: fournil.EventLoop) -> None:
    """Leave everything open: the loop is closed all the same."""
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    for _ in range(5):
        await loop.create_connection(asyncio.Protocol, *address)
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=address)
    one, other = socket.socketpair()
    one.setblocking(False)
    tasks = [asyncio.create_task(loop.sock_recv(one, 10))]
    loop.add_reader(other, str)
    loop.call_later(1000, str)
    await asyncio.sleep(0)
    loop.call_soon(str)
    for task in tasks:
        task.cancel()


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    "work",
    [callbacks, readers_and_signals, streams, datagrams, operations, abandoned],
    ids=lambda work: work.__name__,
)
def test_none_is_left(work: Work, recorded: bool) -> None:
    def use_a_loop() -> None:
        loop = fournil.EventLoop()
        loop.run_until_complete(work(loop))
        loop.call_later(1000, str)
        assert living(), "the loop is open: what it has must be counted"
        loop.close()

    gc.collect()
    before = living()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if work is abandoned else "error", ResourceWarning)
        if recorded:
            with fournil.Recorder(size=MINIMUM_SIZE, watch=False):
                use_a_loop()
        else:
            use_a_loop()
        gc.collect()
    assert living() - before == Counter()
