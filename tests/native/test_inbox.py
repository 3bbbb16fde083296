"""What a protocol receives: each object is its own, and never changes, however it is kept."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fournil
from tests.contract.connections import Acting, connected, unix_pair, until

KIB = 1024
# Around a quarter of each capacity, from which on a message is not copied, and each capacity.
SIZES = [
    size
    for capacity in (64 * KIB, 128 * KIB, 256 * KIB)
    for edge in (capacity // 4, capacity)
    for size in (edge - 1, edge, edge + 1)
]


@pytest.fixture
def loop() -> Iterator[fournil.EventLoop]:
    loop = fournil.EventLoop()
    yield loop
    loop.close()


def widen(*ends: socket.socket) -> None:
    """Let the kernel hold a message of any size of these tests."""
    for end in ends:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)


async def exchange(
    sizes: list[int], keeps: Callable[[int], bool]
) -> tuple[list[bytes], list[bytes]]:
    """Send messages; return what of them was kept, and what that was when it came."""
    loop = asyncio.get_running_loop()
    kept: list[bytes] = []
    copies: list[bytes] = []
    sent = bytearray()

    class Keeping(Acting):
        count = 0

        def data_received(self, data: bytes) -> None:
            # A string that was hashed keeps its hash: one that is used again must not.
            assert hash(data) == hash(bytes(bytearray(data)))
            self.received += data
            if keeps(self.count):
                kept.append(data)
                copies.append(bytes(bytearray(data)))
            self.count += 1

    protocol = Keeping()
    pair = unix_pair()
    widen(*pair)

    def arrived() -> bool:
        return len(protocol.received) == len(sent)

    async with connected(protocol, pair) as (_, peer):
        for size in sizes:
            message = random.Random(size + len(sent)).randbytes(size)
            sent += message
            sending = loop.create_task(loop.sock_sendall(peer, message))
            await sending
            await until(arrived)
    assert protocol.received == sent
    return kept, copies


@pytest.mark.parametrize("every", [1, 2, 10, 1000])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_kept_never_changes(loop: fournil.EventLoop, size: int, every: int) -> None:
    kept, copies = loop.run_until_complete(
        exchange([size] * 40, lambda count: count % every == every - 1)
    )
    assert kept == copies


@pytest.mark.parametrize("seed", range(3))
def test_sizes_and_keeping_at_random(loop: fournil.EventLoop, seed: int) -> None:
    rng = random.Random(seed)
    sizes = [rng.choice([*SIZES, 1, 100, 10_000, 700_000]) for _ in range(60)]
    kept, copies = loop.run_until_complete(exchange(sizes, lambda count: rng.random() < 0.15))
    assert kept == copies


@pytest.mark.parametrize("keep", [memoryview, lambda data: (data,), lambda data: [data][0]])
def test_ways_to_keep(loop: fournil.EventLoop, keep: Callable[[bytes], Any]) -> None:
    async def main() -> None:
        kept: list[Any] = []
        copies: list[bytes] = []

        class Keeping(Acting):
            def data_received(self, data: bytes) -> None:
                self.received += data
                if len(self.events) % 10 == 9:
                    kept.append(keep(data))
                    copies.append(bytes(bytearray(data)))
                self.events.append("data")

        protocol = Keeping()
        async with connected(protocol) as (_, peer):
            for number in range(60):
                peer.send(bytes([number]) * 30_000)
                await until(lambda size: len(protocol.received) == size, (number + 1) * 30_000)
        assert len(kept) > 3
        for each, copy in zip(kept, copies, strict=True):
            data = bytes(each[0] if isinstance(each, tuple) else each)
            assert data == copy

    loop.run_until_complete(main())


@pytest.mark.parametrize("outer", [[1000], [20_000], [60_000], [200_000, 70_000, 90_000]])
@pytest.mark.parametrize("inner", [1000, 20_000, 65_536, 262_144])
def test_receiving_from_another_socket_in_data_received(
    loop: fournil.EventLoop, outer: list[int], inner: int
) -> None:
    """As a task does that runs at once: what either receives is not the other's."""

    async def main() -> None:
        one, other = unix_pair()
        widen(one, other)
        kept: list[tuple[bytes, bytes]] = []

        class Nested(Acting):
            def data_received(self, data: bytes) -> None:
                other.send(os.urandom(inner))
                try:
                    loop.sock_recv(one, 262_144).send(None)
                except StopIteration as done:
                    kept.append((done.value, bytes(bytearray(done.value))))
                self.received += data

        protocol = Nested()
        pair = unix_pair()
        widen(*pair)
        sent = bytearray()

        def arrived() -> bool:
            return len(protocol.received) == len(sent)

        with one, other:
            async with connected(protocol, pair) as (_, peer):
                for message in map(os.urandom, outer * 30):
                    sent += message
                    sending = loop.create_task(loop.sock_sendall(peer, message))
                    await until(arrived)
                    await sending
        assert protocol.received == sent
        assert all(len(data) == inner for data, _ in kept)
        assert all(data == copy for data, copy in kept)

    loop.run_until_complete(main())


def test_what_a_failing_protocol_received_is_its_own(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        kept: list[bytes] = []

        def fail(protocol: Acting) -> None:
            kept.append(protocol.events[-1][1])
            raise ConnectionAbortedError

        for number in range(20):
            protocol = Acting(data_received=fail)
            async with connected(protocol) as (_, peer):
                peer.send(bytes([number]) * 30_000)
                await protocol.closed
        assert kept == [bytes([number]) * 30_000 for number in range(20)]

    loop.run_until_complete(main())
