"""What a stream keeps until the kernel takes it: in order, whole, and once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Iterator

import pytest

import fournil
from tests.contract.connections import Acting, connected, fill, unix_pair


@pytest.fixture
def loop() -> Iterator[fournil.EventLoop]:
    loop = fournil.EventLoop()
    yield loop
    loop.close()


def narrow_pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets between which the kernel holds little, so that it takes things in part."""
    pair = unix_pair()
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return pair


async def drained(peer: socket.socket, transport: asyncio.Transport) -> bytes:
    got = bytearray()
    while transport.get_write_buffer_size():
        with contextlib.suppress(BlockingIOError):
            got += peer.recv(random.Random(len(got)).randrange(1, 5000))
        await asyncio.sleep(0)
    with contextlib.suppress(BlockingIOError):
        while part := peer.recv(1 << 20):
            got += part
    return bytes(got)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 128, 129, 1000])
def test_many_chunks(loop: fournil.EventLoop, count: int) -> None:
    async def main() -> None:
        async with connected(Acting(), narrow_pair()) as (transport, peer):
            before = fill(transport)
            chunks = [b"<%d>" % number * 50 for number in range(count)]
            for chunk in chunks:
                transport.write(chunk)
            got = await drained(peer, transport)
            assert got[before:] == b"".join(chunks)

    loop.run_until_complete(main())


@pytest.mark.parametrize("seed", range(5))
def test_writes_at_random(loop: fournil.EventLoop, seed: int) -> None:
    rng = random.Random(seed)

    async def main() -> None:
        sent = bytearray()
        got = bytearray()
        async with connected(Acting(), narrow_pair()) as (transport, peer):
            for _ in range(400):
                size = rng.choice([0, 1, 10, 1000, 5000, 20_000])
                data = os.urandom(size)
                way = rng.randrange(5)
                if way == 0:
                    transport.writelines([data, bytearray(data), memoryview(data)])
                    sent += data * 3
                elif way == 1:
                    transport.write(bytearray(data))
                    sent += data
                elif way == 2:
                    transport.write(memoryview(data)[size // 2 :])
                    sent += data[size // 2 :]
                else:
                    transport.write(data)
                    sent += data
                for _ in range(rng.randrange(3)):
                    with contextlib.suppress(BlockingIOError):
                        got += peer.recv(rng.randrange(1, 10_000))
                    await asyncio.sleep(0)
            got += await drained(peer, transport)
            assert got == sent

    loop.run_until_complete(main())


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_what_waits_is_no_longer_its_writers(
    loop: fournil.EventLoop, kind: type[bytearray] | type[memoryview]
) -> None:
    async def main() -> None:
        async with connected(Acting(), narrow_pair()) as (transport, peer):
            before = fill(transport)
            source = bytearray(b"a" * 1000)
            if kind is memoryview:
                transport.write(memoryview(source))
            else:
                transport.write(source)
            transport.writelines([source])
            source[:] = b"b" * 1000
            source.clear()  # no buffer of it is held
            assert (await drained(peer, transport))[before:] == b"a" * 2000

    loop.run_until_complete(main())


def test_a_write_of_which_the_kernel_takes_a_part(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        for kind in (bytes, bytearray, memoryview):
            data = os.urandom(1_000_000)
            async with connected(Acting(), narrow_pair()) as (transport, peer):
                transport.write(kind(data))
                assert 0 < transport.get_write_buffer_size() < len(data)
                assert await drained(peer, transport) == data

    loop.run_until_complete(main())


def test_lines_of_which_the_kernel_takes_a_part(loop: fournil.EventLoop) -> None:
    async def main() -> None:
        lines = [os.urandom(700) for _ in range(300)]
        async with connected(Acting(), narrow_pair()) as (transport, peer):
            transport.writelines(lines)
            assert 0 < transport.get_write_buffer_size() < 300 * 700
            transport.write(b"end")
            assert await drained(peer, transport) == b"".join(lines) + b"end"

    loop.run_until_complete(main())
