"""sock_*: sockets that the program holds itself."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.contract.loops import Loop

Pair = tuple[socket.socket, socket.socket]


def listen() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


def datagram_pair() -> tuple[socket.socket, socket.socket]:
    one, other = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for each in (one, other):
        each.setblocking(False)
        each.bind(("127.0.0.1", 0))
    return one, other


def test_recv_and_sendall(loop: Loop, pair: Pair) -> None:
    data = os.urandom(1_000_000)

    async def receive() -> bytes:
        got = bytearray()
        while part := await loop.sock_recv(pair[1], 65536):
            got += part
        return bytes(got)

    async def main() -> None:
        receiver = loop.create_task(receive())
        await loop.sock_sendall(pair[0], data)
        pair[0].close()
        assert await receiver == data

    loop.run_until_complete(main())


def test_recv_into(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        buffer = bytearray(10)
        receiver = loop.create_task(loop.sock_recv_into(pair[1], buffer))
        await asyncio.sleep(0)
        await loop.sock_sendall(pair[0], b"hello")
        assert await receiver == 5
        assert buffer == b"hello" + bytes(5)

    loop.run_until_complete(main())


def test_there_already(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        pair[0].send(b"hello")
        assert await loop.sock_recv(pair[1], 10) == b"hello"
        await loop.sock_sendall(pair[0], b"")

    loop.run_until_complete(main())


def test_many_to_and_fro(loop: Loop, pair: Pair) -> None:
    async def echo() -> None:
        while data := await loop.sock_recv(pair[1], 100):
            await loop.sock_sendall(pair[1], data)

    async def main() -> None:
        server = loop.create_task(echo())
        for number in range(1000):
            await loop.sock_sendall(pair[0], b"%d" % number)
            assert await loop.sock_recv(pair[0], 100) == b"%d" % number
        pair[0].close()
        await server

    loop.run_until_complete(main())


def test_accept_and_connect(loop: Loop) -> None:
    async def main() -> None:
        with listen() as listener, socket.socket() as client:
            client.setblocking(False)
            accepting = loop.create_task(loop.sock_accept(listener))
            await loop.sock_connect(client, listener.getsockname())
            server, address = await accepting
            with server:
                assert server.gettimeout() == 0
                assert address == client.getsockname()
                await loop.sock_sendall(server, b"hello")
                assert await loop.sock_recv(client, 10) == b"hello"

    loop.run_until_complete(main())


def test_connect_to_nobody(loop: Loop) -> None:
    async def main() -> None:
        with listen() as listener:
            address = listener.getsockname()
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(client, address)

    loop.run_until_complete(main())


def test_connect_by_unix_path(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.setblocking(False)
            client.setblocking(False)
            listener.bind(path)
            listener.listen()
            await loop.sock_connect(client, path)
            server, _ = await loop.sock_accept(listener)
            server.close()
            assert await loop.sock_recv(client, 10) == b""

    loop.run_until_complete(main())


def test_cancel_while_it_waits(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        receiver = loop.create_task(loop.sock_recv(pair[0], 10))
        await asyncio.sleep(0)
        receiver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiver
        # The descriptor is free again, and nothing is lost.
        pair[1].send(b"later")
        assert await loop.sock_recv(pair[0], 10) == b"later"
        assert loop.remove_reader(pair[0]) is False

    loop.run_until_complete(main())


def test_one_task_reads_while_another_writes(loop: Loop, pair: Pair) -> None:
    size = 500_000

    async def send(end: socket.socket) -> None:
        await loop.sock_sendall(end, bytes(size))

    async def receive(end: socket.socket) -> None:
        left = size
        while left:
            left -= len(await loop.sock_recv(end, 65536))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for end in pair:
                group.create_task(send(end))
                group.create_task(receive(end))

    loop.run_until_complete(main())


def test_datagrams(loop: Loop) -> None:
    async def main() -> None:
        one, other = datagram_pair()
        with one, other:
            receiving = loop.create_task(loop.sock_recvfrom(other, 100))
            await asyncio.sleep(0)
            assert await loop.sock_sendto(one, b"hello", other.getsockname()) == 5
            assert await receiving == (b"hello", one.getsockname())
            buffer = bytearray(10)
            await loop.sock_sendto(other, b"back", one.getsockname())
            assert await loop.sock_recvfrom_into(one, buffer) == (4, other.getsockname())
            assert buffer[:4] == b"back"

    loop.run_until_complete(main())


@pytest.mark.parametrize("into", [False, True])
def test_cancel_while_a_datagram_is_waited_for(loop: Loop, into: bool) -> None:
    async def main() -> None:
        one, other = datagram_pair()
        with one, other:
            receiving = loop.create_task(
                loop.sock_recvfrom_into(other, bytearray(10))
                if into
                else loop.sock_recvfrom(other, 10)
            )
            await asyncio.sleep(0)
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            await loop.sock_sendto(one, b"later", other.getsockname())
            assert await loop.sock_recvfrom(other, 10) == (b"later", one.getsockname())
            assert loop.remove_reader(other) is False

    loop.run_until_complete(main())


def test_part_of_a_datagram(loop: Loop) -> None:
    async def main() -> None:
        one, other = datagram_pair()
        with one, other:
            for _ in range(2):
                await loop.sock_sendto(one, b"hello", other.getsockname())
            assert (await loop.sock_recvfrom(other, 3))[0] == b"hel"
            buffer = bytearray(10)
            assert (await loop.sock_recvfrom_into(other, buffer, 2))[0] == 2
            assert buffer == b"he" + bytes(8)

    loop.run_until_complete(main())


def test_a_datagram_that_has_no_room_waits(loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "socket")
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
        ):
            one.setblocking(False)
            other.setblocking(False)
            other.bind(path)
            sent = -1
            sending: asyncio.Task[int] | None = None
            while sending is None or sending.done():
                sent += 1
                sending = loop.create_task(loop.sock_sendto(one, b"hello", path))
                await asyncio.sleep(0)
            for _ in range(sent):
                assert (await loop.sock_recvfrom(other, 10))[0] == b"hello"
            assert await sending == 5
            assert (await loop.sock_recvfrom(other, 10))[0] == b"hello"

    loop.run_until_complete(main())


def test_cancel_while_a_connection_is_waited_for(loop: Loop) -> None:
    async def main() -> None:
        with listen() as listener, socket.socket() as client:
            accepting = loop.create_task(loop.sock_accept(listener))
            await asyncio.sleep(0)
            accepting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accepting
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            connection, address = await loop.sock_accept(listener)
            assert address == client.getsockname()
            assert connection.gettimeout() == 0
            connection.close()

    loop.run_until_complete(main())


def test_sendfile(loop: Loop, pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(700_000))

    async def receive() -> bytes:
        got = bytearray()
        while part := await loop.sock_recv(pair[1], 65536):
            got += part
        return bytes(got)

    async def main() -> None:
        receiver = loop.create_task(receive())
        with path.open("rb") as file:
            assert await loop.sock_sendfile(pair[0], file, 100_000) == 600_000
        pair[0].close()
        assert await receiver == path.read_bytes()[100_000:]

    loop.run_until_complete(main())


def test_errors_of_the_peer(loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        pair[1].close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await loop.sock_sendall(pair[0], bytes(1_000_000))
        assert await loop.sock_recv(pair[0], 10) == b""

    loop.run_until_complete(main())


def test_sockets_that_block_are_refused_in_debug_mode(loop: Loop) -> None:
    loop.set_debug(True)

    async def main() -> None:
        with socket.socket() as blocking:
            for refused in (
                loop.sock_recv(blocking, 10),
                loop.sock_recv_into(blocking, bytearray(10)),
                loop.sock_sendall(blocking, b"hello"),
                loop.sock_recvfrom(blocking, 10),
                loop.sock_recvfrom_into(blocking, bytearray(10)),
                loop.sock_sendto(blocking, b"hello", ("127.0.0.1", 9)),
                loop.sock_accept(blocking),
            ):
                with pytest.raises(ValueError, match="non-blocking"):
                    await refused

    loop.run_until_complete(main())


def test_connect_resolves_names(loop: Loop) -> None:
    async def main() -> None:
        with listen() as listener, socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("localhost", listener.getsockname()[1]))

    loop.run_until_complete(main())
