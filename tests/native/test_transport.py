"""Native transports: what each costs, what debug mode says of them, and how they are lost."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import tracemalloc
import warnings
from collections.abc import Callable, Iterator

import pytest

import fournil
from tests.contract.connections import Acting, connected, unix_pair, until


@pytest.fixture
def loop() -> Iterator[fournil.EventLoop]:
    loop = fournil.EventLoop()
    yield loop
    loop.close()


def memory_of_connections(make_loop: Callable[[], asyncio.AbstractEventLoop], count: int) -> int:
    """Return how much memory a loop takes for so many accepted connections that are idle."""

    async def main() -> int:
        loop = asyncio.get_running_loop()
        protocols: list[asyncio.Protocol] = []
        lost: list[asyncio.Protocol] = []

        class Idle(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                lost.append(self)

        def make() -> asyncio.Protocol:
            protocols.append(Idle())
            return protocols[-1]

        server = await loop.create_server(make, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()
            clients = [socket.create_connection(address)]
            await until(lambda: len(protocols) == 1)
            gc.collect()
            tracemalloc.start()
            for _ in range(count):
                clients.append(socket.create_connection(address))
                await until(lambda: len(protocols) == len(clients))
            gc.collect()
            size = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            for client in clients:
                client.close()
            await until(lambda: len(lost) == len(protocols))
        return size

    loop = make_loop()
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_an_idle_connection_takes_less_memory_than_asyncios() -> None:
    ours = memory_of_connections(fournil.EventLoop, 50)
    theirs = memory_of_connections(asyncio.SelectorEventLoop, 50)
    # The sockets of the clients are part of both.
    assert ours < theirs * 0.6


def test_debug_mode_names_the_protocol_that_took_long(
    loop: fournil.EventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Acting):
        def __repr__(self) -> str:
            return "the slow protocol"

    async def main() -> None:
        protocol = Slow()
        async with connected(protocol) as (_, peer):
            await asyncio.sleep(0)
            peer.send(b"x")
            await until(lambda: protocol.received)

    loop.set_debug(True)
    loop.slow_callback_duration = 0
    loop.run_until_complete(main())
    messages = [record.getMessage() for record in caplog.records]
    assert any(
        message.startswith("Executing <Handle of the slow protocol> took") for message in messages
    )


def test_a_lost_transport_closes_its_descriptor_though_warnings_are_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that was accepted, whose descriptor no socket object owns."""
    loop = fournil.EventLoop()

    async def main() -> None:
        protocols: list[Acting] = []

        def make() -> Acting:
            protocols.append(Acting())
            return protocols[-1]

        server = await loop.create_server(make, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        await until(lambda: protocols and protocols[0].transport)
        client.close()
        server.close()

    before = set(os.listdir("/proc/self/fd"))
    loop.run_until_complete(main())
    raised: list[type[BaseException]] = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: raised.append(args.exc_type))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop.close()
        gc.collect()
    assert raised == [ResourceWarning]
    assert len(set(os.listdir("/proc/self/fd")) - before) == 0


def test_its_socket_is_told_by_asyncios_name(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        protocol = Acting()
        one, other = unix_pair()
        async with connected(protocol, (one, other)) as (transport, _):
            assert transport._sock is one
            assert transport._sock_fd == one.fileno()
            assert transport._protocol is protocol
        assert transport._sock.fileno() == -1

    loop.run_until_complete(main())
