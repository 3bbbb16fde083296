"""TLS: one side that does not keep up with the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.contract.loops import Loop
from tests.contract.tls import (
    Buffered,
    ByHand,
    Recorded,
    connect,
    echo,
    server_by_hand,
    server_context,
    serving,
    some,
)


def test_a_peer_that_does_not_read(loop: Loop) -> None:
    chunk = some(50_000)

    async def main() -> None:
        read_on = asyncio.Event()
        received = loop.create_future()

        async def serve(peer: ByHand) -> None:
            await read_on.wait()
            received.set_result(await peer.read_to_end())

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            transport = client.transport
            written = 0
            while not client.paused.is_set():
                transport.write(chunk)
                written += len(chunk)
                await asyncio.sleep(0)
            low, high = transport.get_write_buffer_limits()
            assert 0 < low < high
            assert high <= transport.get_write_buffer_size() < high + 2 * len(chunk)
            # What the kernel keeps is not this program's memory.
            assert written < 64 << 20
            # This may not change what waits.
            last = bytearray(b"the end")
            transport.write(last)
            last[:] = b"another"
            read_on.set()
            await client.resumed.wait()
            assert transport.get_write_buffer_size() <= low
            transport.close()
            data = await received
            assert len(data) == written + 7
            assert data[:-7] == chunk * (written // len(chunk))
            if type(loop) is not asyncio.SelectorEventLoop:
                # asyncio keeps what it was given, and not a copy.
                assert data[-7:] == b"the end"
            await client.lost

    loop.run_until_complete(main())


def test_one_large_write_to_a_peer_that_does_not_read(loop: Loop) -> None:
    async def main() -> None:
        read_on = asyncio.Event()
        data = some(20 << 20)

        async def serve(peer: ByHand) -> None:
            await read_on.wait()
            assert await peer.read_exactly(len(data)) == data
            assert await peer.read() == b""
            await peer.send(peer.close_notify())

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.write(data)
            read_on.set()
            client.transport.close()
            await client.lost
            assert client.error is None

    loop.run_until_complete(main())


@pytest.mark.parametrize("protocol", ["plain", "buffered"])
def test_a_peer_that_floods(loop: Loop, protocol: str) -> None:
    """While reading is paused, little comes, and the peer has to wait."""
    chunk = some(100_000)

    async def main() -> None:
        class Sized(Buffered):
            size = 10_000

        sent = 0
        waits = asyncio.Event()
        resumed = asyncio.Event()

        async def serve(peer: ByHand) -> None:
            nonlocal sent
            for _ in range(1000):
                peer.writer.write(peer.encrypted(chunk))
                sent += len(chunk)
                drained = loop.create_task(peer.writer.drain())
                done, _ = await asyncio.wait([drained], timeout=0.2)
                if not done:
                    waits.set()
                    await resumed.wait()
                    await drained
                    break
            assert await peer.read() == b""
            await peer.send(peer.close_notify())

        async with serving(server_by_hand(serve)) as address:
            client: Any = await connect(address, Recorded if protocol == "plain" else Sized)
            transport = client.transport
            transport.pause_reading()
            assert not transport.is_reading()
            await waits.wait()
            came = len(client.data)
            low, high = transport.get_read_buffer_limits()
            assert 0 < low < high
            assert transport.get_read_buffer_size() <= 2 * high
            assert len(client.data) == came < sent
            transport.resume_reading()
            assert transport.is_reading()
            resumed.set()
            while len(client.data) < sent:
                await asyncio.sleep(0)
            assert bytes(client.data) == chunk * (sent // len(chunk))
            transport.close()
            await client.lost

    loop.run_until_complete(main())


def test_pauses_within_a_delivery(loop: Loop) -> None:
    """A buffered protocol that pauses gets no further call before it resumes."""

    async def main() -> None:
        class Pausing(Buffered):
            size = 1000

            def buffer_updated(self, nbytes: int) -> None:
                assert self.transport.is_reading()
                super().buffer_updated(nbytes)
                self.transport.pause_reading()
                loop.call_soon(self.transport.resume_reading)

        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address, Pausing)
            client.wanted = 50_000
            client.transport.write(some(50_000))
            await client.done.wait()
            assert client.data == some(50_000)
            client.transport.close()
            await client.lost

    loop.run_until_complete(main())


def test_limits(loop: Loop) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            transport = client.transport
            assert transport.get_write_buffer_limits() == (128 << 10, 512 << 10)
            assert transport.get_read_buffer_limits() == (64 << 10, 256 << 10)
            assert transport.get_write_buffer_size() == 0
            assert transport.get_read_buffer_size() == 0
            for name in ("write", "read"):
                get = getattr(transport, f"get_{name}_buffer_limits")
                set_limits = getattr(transport, f"set_{name}_buffer_limits")
                set_limits(high=1000)
                assert get() == (250, 1000)
                set_limits(low=100)
                assert get() == (100, 400)
                set_limits(high=7, low=3)
                assert get() == (3, 7)
                for high, low in ((1, 2), (-1, None), (None, -1)):
                    with pytest.raises(ValueError, match="must be >= "):
                        set_limits(high=high, low=low)
            transport.close()
            await client.lost

    loop.run_until_complete(main())
