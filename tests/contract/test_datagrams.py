"""create_datagram_endpoint: UDP and Unix datagrams."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.datagrams import (
    Endpoint,
    bound,
    end,
    name,
    skip_if_unable_to_pause,
    unix_pair,
)
from tests.contract.loops import Loop

SENDS_EMPTY = sys.version_info >= (3, 13)


def test_to_and_fro(loop: Loop) -> None:
    async def main() -> None:
        _, server = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
        address = server.transport.get_extra_info("sockname")
        _, client = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        for number in range(200):
            client.transport.sendto(b"%d" % number)
            data, source = await server.received.get()
            assert data == b"%d" % number
            server.transport.sendto(b"and back", source)
            assert await client.received.get() == (b"and back", address)
        client.transport.sendto(bytes(60_000))
        assert (await server.received.get())[0] == bytes(60_000)
        await end(server, client)

    loop.run_until_complete(main())


def test_unix_datagrams(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        paths = str(tmp_path / "one"), str(tmp_path / "other")
        ends = [
            (await loop.create_datagram_endpoint(Endpoint, local_addr=path, family=socket.AF_UNIX))[
                1
            ]
            for path in paths
        ]
        ends[0].transport.sendto(b"hello", paths[1])
        assert await ends[1].received.get() == (b"hello", paths[0])
        await end(*ends)

    loop.run_until_complete(main())


def test_nobody_listens(loop: Loop) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            address = other.getsockname()
        _, client = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        client.transport.sendto(b"hello")
        assert isinstance(await client.errors.get(), ConnectionRefusedError)
        await end(client)

    loop.run_until_complete(main())


def test_a_datagram_that_is_too_long(loop: Loop) -> None:
    async def main() -> None:
        _, server = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
        address = server.transport.get_extra_info("sockname")
        server.transport.sendto(bytes(70_000), address)
        assert isinstance(await server.errors.get(), OSError)
        await end(server)

    loop.run_until_complete(main())


def test_broadcast_and_bad_addresses(loop: Loop) -> None:
    async def main() -> None:
        _, one = await loop.create_datagram_endpoint(
            Endpoint, local_addr=("127.0.0.1", 0), allow_broadcast=True
        )
        assert one.transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_BROADCAST
        )
        with pytest.raises(ValueError, match="unexpected address family"):
            await loop.create_datagram_endpoint(Endpoint)
        await end(one)

    loop.run_until_complete(main())


def test_what_a_transport_tells(loop: Loop) -> None:
    async def main() -> None:
        server = await bound(loop)
        client = await bound(loop, remote_addr=name(server))
        transport: Any = client.transport
        assert isinstance(client.transport, asyncio.BaseTransport)
        assert transport.get_extra_info("peername") == name(server)
        assert transport.get_extra_info("socket").type == socket.SOCK_DGRAM
        assert transport.get_protocol() is client
        assert transport.get_write_buffer_size() == 0
        assert not transport.is_closing()
        assert server.transport.get_extra_info("peername") is None
        assert server.transport.get_extra_info("nothing", 3) == 3
        await end(server, client)
        assert transport.is_closing()
        assert transport.get_extra_info("socket").fileno() == -1

    loop.run_until_complete(main())


def test_many_at_once_keep_their_order(loop: Loop) -> None:
    async def main() -> None:
        server, client = await bound(loop), await bound(loop)
        for number in range(100):
            client.transport.sendto(b"%d" % number, name(server))
        for number in range(100):
            assert await server.received.get() == (b"%d" % number, name(client))
        await end(server, client)

    loop.run_until_complete(main())


def test_senders_are_told_apart(loop: Loop) -> None:
    async def main() -> None:
        server = await bound(loop)
        clients = [await bound(loop) for _ in range(5)]
        for _ in range(3):
            for client in clients:
                client.transport.sendto(b"hello", name(server))
        senders = [(await server.received.get())[1] for _ in range(15)]
        assert senders == [name(client) for client in clients] * 3
        for client, sender in zip(clients, senders, strict=False):
            server.transport.sendto(b"%d" % sender[1], sender)
            assert await client.received.get() == (b"%d" % name(client)[1], name(server))
        await end(server, *clients)

    loop.run_until_complete(main())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "::1"])
def test_names_of_hosts(loop: Loop, host: str) -> None:
    async def main() -> None:
        local = "::1" if ":" in host else "127.0.0.1"
        server, client = [await bound(loop, local_addr=(local, 0)) for _ in range(2)]
        client.transport.sendto(b"hello", (host, name(server)[1]))
        data, sender = await server.received.get()
        assert data == b"hello"
        assert sender == name(client)
        server.transport.sendto(b"and back", sender)
        assert (await client.received.get())[0] == b"and back"
        await end(server, client)

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    "address",
    [
        ("127.0.0.1\0", 9),
        ("127.0.0.1", 70_000),
        ("127.0.0.1", -1),
        ("127.0.0.1", "9"),
        ("127.0.0.1",),
        ("\udc80", 9),
        "127.0.0.1",
        3,
        None,
    ],
)
def test_what_is_no_address_ends_the_transport(loop: Loop, address: Any) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: told.append(context))
        endpoint = await bound(loop)
        endpoint.transport.sendto(b"hello", address)
        await endpoint.closed
        assert [context["message"] for context in told] == [
            "Fatal write error on datagram transport"
        ]
        assert told[0]["transport"] is endpoint.transport

    loop.run_until_complete(main())


def test_an_endpoint_with_one_peer_sends_to_no_other(loop: Loop) -> None:
    async def main() -> None:
        server = await bound(loop)
        client = await bound(loop, remote_addr=name(server))
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            client.transport.sendto(b"hello", ("127.0.0.1", 9))
        client.transport.sendto(b"hello", name(server))
        assert await server.received.get() == (b"hello", name(client))
        await end(server, client)

    loop.run_until_complete(main())


@pytest.mark.parametrize("data", [b"hello", bytearray(b"hello"), memoryview(b"hello")])
def test_what_can_be_sent(loop: Loop, data: Any) -> None:
    async def main() -> None:
        server, client = await bound(loop), await bound(loop)
        client.transport.sendto(data, name(server))
        assert await server.received.get() == (b"hello", name(client))
        for wrong in ("hello", 3, None, [b"hello"]):
            with pytest.raises(TypeError, match="data argument must be a bytes-like object"):
                client.transport.sendto(wrong, name(server))
        await end(server, client)

    loop.run_until_complete(main())


def test_empty_datagrams(loop: Loop) -> None:
    async def main() -> None:
        server, client = await bound(loop), await bound(loop)
        client.transport.sendto(b"", name(server))
        client.transport.sendto(b"more", name(server))
        if SENDS_EMPTY:
            assert await server.received.get() == (b"", name(client))
        assert await server.received.get() == (b"more", name(client))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", name(server))
            assert (await server.received.get())[0] == b""
        await end(server, client)

    loop.run_until_complete(main())


def test_long_datagrams_of_unix(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        one, other = await unix_pair(loop, tmp_path)
        one.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000
        )
        for size in (200_000, 3, 70_000):
            one.transport.sendto(bytes(size))
            assert (await other.received.get())[0] == bytes(size)
        await end(one, other)

    loop.run_until_complete(main())


def test_a_protocol_that_raises_loses_nothing(loop: Loop) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: told.append(context))

        class Raises(Endpoint):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                super().datagram_received(data, addr)
                raise LookupError(data)

        server, client = await bound(loop, Raises), await bound(loop)
        for number in range(20):
            client.transport.sendto(b"%d" % number, name(server))
        for number in range(20):
            assert (await server.received.get())[0] == b"%d" % number
        await asyncio.sleep(0)
        assert [str(context["exception"]) for context in told] == [
            str(LookupError(b"%d" % number)) for number in range(20)
        ]
        await end(server, client)

    loop.run_until_complete(main())


@pytest.mark.parametrize("method", ["close", "abort"])
def test_closed_by_what_it_receives(loop: Loop, method: str) -> None:
    async def main() -> None:
        class Closes(Endpoint):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                super().datagram_received(data, addr)
                getattr(self.transport, method)()

        server, client = await bound(loop, Closes), await bound(loop)
        for number in range(20):
            client.transport.sendto(b"%d" % number, name(server))
        await server.closed
        assert server.received.qsize() == 1
        await end(client)

    loop.run_until_complete(main())


def test_paused_reading(loop: Loop) -> None:
    skip_if_unable_to_pause(loop)

    async def main() -> None:
        class Pauses(Endpoint):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                super().datagram_received(data, addr)
                self.transport.pause_reading()

        server, client = await bound(loop, Pauses), await bound(loop)
        other = await bound(loop)
        for number in range(3):
            client.transport.sendto(b"%d" % number, name(server))
        for number in range(3):
            assert (await server.received.get())[0] == b"%d" % number
            assert not server.transport.is_reading()
            # What comes to another meanwhile has been received when it is reported.
            client.transport.sendto(b"hello", name(other))
            await other.received.get()
            assert server.received.empty()
            server.transport.resume_reading()
            assert server.transport.is_reading()
        await end(server, client, other)

    loop.run_until_complete(main())


def test_sent_after_the_end(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        server = await bound(loop)
        client = await bound(loop, remote_addr=name(server))
        client.transport.close()
        for _ in range(10):
            client.transport.sendto(b"hello")
        assert "socket.send() raised exception." in caplog.text
        await end(server)
        await client.closed
        assert server.received.empty()

    loop.run_until_complete(main())


def test_sent_by_connection_lost(loop: Loop) -> None:
    async def main() -> None:
        server = await bound(loop)

        class SaysGoodbye(Endpoint):
            def connection_lost(self, exc: Exception | None) -> None:
                self.transport.sendto(b"goodbye", name(server))
                super().connection_lost(exc)

        client = await bound(loop, SaysGoodbye)
        client.transport.close()
        assert (await server.received.get())[0] == b"goodbye"
        await end(server)

    loop.run_until_complete(main())


def test_a_flood_leaves_others_their_turn(loop: Loop) -> None:
    async def main() -> None:
        class Echo(Endpoint):
            """Each answer brings the next question: there is always one to receive."""

            count = 0

            def datagram_received(self, data: bytes, addr: Any) -> None:
                type(self).count += 1
                self.transport.sendto(data, addr)

        one, other = await bound(loop, Echo), await bound(loop, Echo)
        for _ in range(50):
            one.transport.sendto(b"ball", name(other))
        turns = 0
        while Echo.count < 20_000:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 10
        await end(one, other)

    loop.run_until_complete(main())


def test_a_socket_that_others_made_blocking(loop: Loop) -> None:
    """What was there is read, and others go on."""

    async def main() -> None:
        _, server = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
        address = server.transport.get_extra_info("sockname")
        _, client = await loop.create_datagram_endpoint(Endpoint, remote_addr=address)
        os.set_blocking(server.transport.get_extra_info("socket").fileno(), True)
        for number in range(3):
            client.transport.sendto(b"%d" % number)
            assert (await server.received.get())[0] == b"%d" % number
        await end(server, client)

    loop.run_until_complete(main())
