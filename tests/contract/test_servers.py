"""Servers: what accepts, when it cannot, and what its protocols' factories do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.connections import FEW_LOOKS, Acting, counted, idle_looks, look, reset, until
from tests.contract.loops import Loop, Reports


def connect(server: asyncio.AbstractServer) -> socket.socket:
    """Return a socket that connected to a server, which may not have accepted it yet."""
    client = socket.create_connection(server.sockets[0].getsockname())  # type: ignore[attr-defined]
    client.setblocking(False)
    return client


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Take every file descriptor that the process may still open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 50, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)


@pytest.mark.usefixtures("quick_retries")
def test_a_server_outlives_a_want_of_descriptors(loop: Loop) -> None:
    accepted: list[Acting] = []

    def make() -> Acting:
        accepted.append(Acting())
        return accepted[-1]

    async def main() -> None:
        async with await loop.create_server(make, "127.0.0.1", 0) as server:
            with connect(server) as client:
                with no_descriptor_left():
                    await until(lambda: reports)
                assert not accepted
                await until(lambda: accepted and accepted[-1].events)
                client.send(b"hello")
                await until(lambda: accepted[-1].received)
                with connect(server):
                    await until(lambda: len(accepted) == 2)
            for protocol in accepted:
                await protocol.closed

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert reports[0]["message"] == "socket.accept() out of system resource"
    assert reports[0]["socket"].type == socket.SOCK_STREAM
    assert isinstance(reports[0]["exception"], OSError)


def test_a_want_of_descriptors_does_not_make_a_server_spin(loop: Loop) -> None:
    async def main(counting: Any) -> int:
        counting.set_exception_handler(reports := Reports())
        async with await counting.create_server(asyncio.Protocol, "127.0.0.1", 0) as server:
            with connect(server), no_descriptor_left():
                await until(lambda: reports)
                before = counting.looks
                moment = counting.create_future()
                counting.call_later(0.02, moment.set_result, None)
                await moment
                looks: int = counting.looks - before
                return looks

    with counted(loop) as counting:
        # asyncio may set a timer for each place of the backlog.
        assert counting.run_until_complete(main(counting)) < FEW_LOOKS


@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_is_closed_for_want_of_descriptors_stays_closed(loop: Loop) -> None:
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio serves again, on a closed socket")

    async def main() -> None:
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        with connect(server):
            with no_descriptor_left():
                await until(lambda: reports)
                server.close()
            await server.wait_closed()
            moment = loop.create_future()
            loop.call_later(0.03, moment.set_result, None)
            await moment

    loop.set_exception_handler(reports := Reports())
    loop.run_until_complete(main())
    assert len(reports) == 1


def test_a_factory_that_fails(loop: Loop) -> None:
    loop.set_debug(True)

    def fail() -> asyncio.Protocol:
        raise ValueError("in the factory")

    async def main() -> None:
        async with await loop.create_server(fail, "127.0.0.1", 0) as server:
            for _ in range(3):
                with connect(server) as client:
                    assert await loop.sock_recv(client, 1) == b""

    loop.set_exception_handler(reports := Reports())
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio leaves the socket to the collector, which warns of it")
    loop.run_until_complete(main())
    assert [str(report["exception"]) for report in reports] == ["in the factory"] * 3
    assert reports[0]["message"] == "Error on transport creation for incoming connection"


def test_what_a_factory_sets_in_its_context_stays_with_its_connection(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="of nobody")
    seen: list[tuple[str, str, str]] = []
    protocols: list[Acting] = []

    def see(protocol: Acting) -> None:
        seen.append((name_of[protocol], protocol.names()[-1], variable.get()))

    name_of: dict[Acting, str] = {}

    def make() -> Acting:
        name = f"connection {len(name_of)}"
        seen.append((name, "factory", variable.get()))
        variable.set(name)
        protocols.append(Acting(connection_made=see, data_received=see))
        name_of[protocols[-1]] = name
        return protocols[-1]

    async def main() -> None:
        variable.set("of the server")
        async with await loop.create_server(make, "127.0.0.1", 0) as server:
            for _ in range(2):
                with connect(server) as client:
                    client.send(b"x")
                    await until(lambda: protocols and protocols[-1].received)
                await protocols[-1].closed
                protocols.clear()

    loop.run_until_complete(main())
    assert seen == [
        step
        for name in ("connection 0", "connection 1")
        for step in ((name, "factory", "of the server"), (name, "made", name), (name, "data", name))
    ]


@pytest.mark.parametrize("callback", ["factory", "connection_made", "data_received"])
def test_a_server_that_is_closed_inside_a_callback(loop: Loop, callback: str) -> None:
    """Those already accepted go on; nobody else is accepted."""
    protocols: list[Acting] = []
    servers: list[Any] = []

    def make() -> Acting:
        acts = {} if callback == "factory" else {callback: lambda protocol: servers[0].close()}
        protocols.append(Acting(**acts))
        if callback == "factory":
            loop.call_soon(servers[0].close)
        return protocols[-1]

    async def main() -> None:
        servers.append(await loop.create_server(make, "127.0.0.1", 0))
        address = servers[0].sockets[0].getsockname()
        with connect(servers[0]) as client:
            client.send(b"one")
            await until(lambda: protocols and protocols[0].received)
            await until(lambda: not servers[0].is_serving())
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            client.send(b"two")
            await until(lambda: protocols[0].received == b"onetwo")
        await protocols[0].closed
        await servers[0].wait_closed()

    loop.run_until_complete(main())


def test_a_server_that_its_factory_closes_at_once(loop: Loop) -> None:
    """The connection cannot be counted any more: it is closed, and nothing is left of it."""
    if type(loop) is asyncio.SelectorEventLoop:
        pytest.skip("asyncio leaves the transport half made, to the collector")
    servers: list[Any] = []

    def make() -> asyncio.Protocol:
        servers[0].close()
        return asyncio.Protocol()

    async def main() -> None:
        servers.append(await loop.create_server(make, "127.0.0.1", 0))
        with connect(servers[0]) as client:
            with contextlib.suppress(ConnectionResetError):
                assert await loop.sock_recv(client, 1) == b""
        await servers[0].wait_closed()

    loop.run_until_complete(main())


def test_a_burst_of_connections(loop: Loop) -> None:
    protocols: list[Acting] = []

    def make() -> Acting:
        protocols.append(Acting())
        return protocols[-1]

    async def main() -> None:
        server = await loop.create_server(make, "127.0.0.1", 0, backlog=300)
        async with server:
            clients = [connect(server) for _ in range(200)]
            for client in clients:
                client.send(b"x")
            await until(lambda: len(protocols) == 200 and all(p.received for p in protocols))
            for client in clients:
                client.close()
            for protocol in protocols:
                await protocol.closed

    loop.run_until_complete(main())


def test_a_client_that_is_gone_before_it_is_accepted(loop: Loop) -> None:
    protocols: list[Acting] = []

    def make() -> Acting:
        protocols.append(Acting())
        return protocols[-1]

    async def main() -> None:
        async with await loop.create_server(make, "127.0.0.1", 0) as server:
            reset(connect(server))
            connect(server).close()
            with connect(server) as client:
                client.send(b"x")
                await until(lambda: any(protocol.received for protocol in protocols))
            for protocol in protocols:
                await protocol.closed
                assert protocol.names()[0] == "made"

    loop.run_until_complete(main())


def test_a_server_over_a_socket_of_the_program(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        protocols: list[Acting] = []

        def make() -> Acting:
            protocols.append(Acting())
            return protocols[-1]

        async with await loop.create_unix_server(make, sock=listener):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.send(b"hello")
                await until(lambda: protocols and protocols[0].received)
                transport = protocols[0].transport
                assert transport.get_extra_info("sockname") == path
                assert transport.get_extra_info("peername") == ""
                assert transport.get_extra_info("socket").family == socket.AF_UNIX
            await protocols[0].closed
        with pytest.raises(OSError, match=r"(refused|No such file)"):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)

    loop.run_until_complete(main())


@pytest.mark.parametrize("ending", ["close", "abort"])
def test_wait_closed_waits_for_what_was_accepted(loop: Loop, ending: str) -> None:
    protocols: list[Acting] = []

    def make() -> Acting:
        protocols.append(Acting())
        return protocols[-1]

    async def main() -> None:
        server: Any = await loop.create_server(make, "127.0.0.1", 0)
        with connect(server):
            await until(lambda: protocols and protocols[0].events)
            server.close()
            getattr(protocols[0].transport, ending)()
            await server.wait_closed()
            await protocols[0].closed
            assert not server.sockets

    loop.run_until_complete(main())


def test_an_idle_server_does_not_spin(loop: Loop) -> None:
    async def main(counting: Any) -> int:
        async with await counting.create_server(asyncio.Protocol, "127.0.0.1", 0) as server:
            with connect(server):
                await look()
                looks = await idle_looks(counting)
            await look()
            return looks

    with counted(loop) as counting:
        assert counting.run_until_complete(main(counting)) < FEW_LOOKS


@pytest.mark.parametrize("starts", [lambda fd: 0, lambda fd: fd], ids=["stdin's", "any"])
def test_a_connection_whose_descriptor_is_the_first(
    loop: Loop, starts: Callable[[int], int]
) -> None:
    """A descriptor of 0 is as good as any other."""
    protocols: list[Acting] = []

    def make() -> Acting:
        protocols.append(Acting())
        return protocols[-1]

    async def main() -> None:
        async with await loop.create_server(make, "127.0.0.1", 0) as server:
            with connect(server) as client:
                kept = os.dup(0)
                number = starts(1)
                try:
                    if number == 0:
                        os.close(0)
                    await until(lambda: protocols and protocols[0].events)
                    transport = protocols[0].transport
                    if number == 0:
                        assert transport.get_extra_info("socket").fileno() == 0
                    client.send(b"hello")
                    await until(lambda: protocols[0].received == b"hello")
                    transport.write(b"back")
                    assert await loop.sock_recv(client, 10) == b"back"
                    transport.close()
                    await protocols[0].closed
                    assert await loop.sock_recv(client, 10) == b""
                finally:
                    os.dup2(kept, 0)
                    os.close(kept)

    loop.run_until_complete(main())
