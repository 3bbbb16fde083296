"""What the native TLS does beyond asyncio's, and how it counts records."""

from __future__ import annotations

import asyncio
import ssl
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

import fournil
from fournil._native.tls_records import Records
from tests.contract.tls import (
    ByHand,
    Recorded,
    client_context,
    connect,
    echo,
    over_own_transports,
    server_by_hand,
    server_context,
    serving,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer


def record(size: int, kind: int = 23) -> bytes:
    return bytes([kind, 3, 3]) + size.to_bytes(2, "big") + bytes(size)


@given(st.lists(st.integers(0, 16640), max_size=4), st.integers(0, 300), st.data())
def test_records_are_counted(sizes: list[int], rest: int, data: st.DataObject) -> None:
    stream = b"".join(map(record, sizes)) + record(300)[:rest]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
    records = Records()
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        records.feed(stream[begin:end])
    assert records.complete == len(sizes)
    assert records.tail == rest
    assert not records.lost


@pytest.mark.parametrize("data", [b"HTTP/1.1 200", record(20000)[:5], b"\x80\x2e\x01\x03\x03"])
def test_what_is_no_record(data: bytes) -> None:
    records = Records()
    records.feed(record(10))
    records.feed(data)
    assert records.lost
    assert records.complete
    assert records.tail == 0
    records.feed(b"more")
    assert records.complete


def test_a_peer_is_told_why() -> None:
    """A handshake that fails ends with an alert, and not with a connection that is gone."""

    async def main() -> None:
        errors = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = ByHand(reader, writer, server_context(ssl.TLSVersion.TLSv1_2))
            with pytest.raises(ssl.SSLError) as caught:
                await peer.handshake()
            errors.append(caught.value.reason)

        async with serving(serve) as address:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(address, ssl=ssl.create_default_context())
        assert errors == ["TLSV1_ALERT_UNKNOWN_CA"]

    fournil.run(main())


def test_one_huge_write_lets_others_run() -> None:
    """What takes long to encrypt is sent in many turns, also where the transport takes it all."""
    huge = bytes(range(256)) * (1 << 16)

    async def main() -> None:
        one, two = Recorded(), Recorded()
        near, _ = await over_own_transports(one, two)
        near.write(huge)
        left = near.get_write_buffer_size()
        assert 0 < left < len(huge)
        turns = 0
        while len(two.data) < len(huge):
            turns += 1
            await asyncio.sleep(0)
        assert turns > 10
        assert two.data == huge
        near.close()
        await asyncio.gather(one.lost, two.lost)

    fournil.run(main())


def test_connections_that_wait_share_a_buffer() -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            clients = [await connect(address) for _ in range(2)]
            tracemalloc.start()
            try:
                clients += [await connect(address) for _ in range(20)]
                used, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            # Of both ends.
            assert used / 20 < 64 << 10
            for client in clients:
                client.transport.close()
            for client in clients:
                await client.lost

    fournil.run(main())


class Slow(ssl.SSLObject):
    """Takes longer to encrypt a portion than others may wait."""

    encrypted: list[int]

    def write(self, data: Buffer) -> int:
        self.encrypted.append(memoryview(data).nbytes)
        until = time.perf_counter() + 0.000_2
        while time.perf_counter() < until:
            pass
        return super().write(data)


def test_a_backlog_leaves_turns_to_others() -> None:
    """However fast the peer reads."""
    portions = 20
    encrypted: list[int] = []
    context = client_context()
    context.sslobject_class = type("", (Slow,), {"encrypted": encrypted})

    async def main() -> None:
        received = 0
        turns = 0

        async def serve(peer: ByHand) -> None:
            nonlocal received
            received = len(await peer.read_to_end())

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, ssl=context)
            carried = client.transport._ssl_protocol
            carried.pause_writing()
            client.transport.write(bytes(portions * 65536))
            client.transport.close()
            assert encrypted == []
            carried.resume_writing()
            while len(encrypted) < portions:
                await asyncio.sleep(0)
                turns += 1
            await client.lost
        assert turns >= portions - 1
        assert received == sum(encrypted) == portions * 65536

    fournil.run(main())
