"""The end of a TLS connection: by either side, told or not, with data on its way."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import ssl
import sys
import weakref

import pytest

from tests.contract.loops import Loop, Reports, skip_bug_of_asyncio
from tests.contract.tls import (
    VERSIONS,
    ByHand,
    Recorded,
    client_context,
    connect,
    echo,
    server_by_hand,
    server_context,
    serving,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_peer_says_that_it_ends(loop: Loop, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            await peer.send(peer.encrypted(b"last") + peer.close_notify())
            # It is answered.
            assert await peer.reader.read() != b""

        async with serving(server_by_hand(serve, version)) as address:
            client = await connect(address)
            await client.lost
            assert client.data == b"last"
            assert client.calls == ["made", "data", "eof", "lost"]
            assert client.error is None

    loop.run_until_complete(main())


@pytest.mark.parametrize("sent", ["nothing", "data", "half a record"])
def test_a_peer_ends_and_does_not_say_so(loop: Loop, sent: str) -> None:
    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            record = peer.encrypted(b"last")
            if sent == "data":
                await peer.send(record)
            elif sent == "half a record":
                await peer.send(record[:10])

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            await client.lost
            assert client.data == (b"last" if sent == "data" else b"")
            assert client.calls[-2:] == ["eof", "lost"]
            assert client.error is None

    loop.run_until_complete(main())


def test_a_peer_resets(loop: Loop) -> None:
    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            assert await peer.read() == b"reset"
            peer.reset()

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.write(b"reset")
            await client.lost
            assert client.calls == ["made", "lost"]
            assert isinstance(client.error, ConnectionResetError)

    loop.run_until_complete(main())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 5_000_000])
def test_what_was_written_is_sent(loop: Loop, version: ssl.TLSVersion, size: int) -> None:
    async def main() -> None:
        received = loop.create_future()

        async def serve(peer: ByHand) -> None:
            received.set_result(await peer.read_to_end())
            await peer.send(peer.close_notify())

        async with serving(server_by_hand(serve, version)) as address:
            client = await connect(address)
            client.transport.write(b"x" * size)
            client.transport.close()
            client.transport.write(b"too late")
            assert await received == b"x" * size
            await client.lost
            assert client.error is None
            assert client.calls == ["made", "eof", "lost"]

    loop.run_until_complete(main())


def test_a_peer_ends_while_data_waits(loop: Loop) -> None:
    """What could not be sent yet is sent, and the end is told after it."""

    async def main() -> None:
        size = 8 << 20
        full = asyncio.Event()

        async def serve(peer: ByHand) -> None:
            await full.wait()
            await peer.send(peer.close_notify())
            assert len(await peer.read_exactly(size)) == size
            with pytest.raises(ssl.SSLZeroReturnError):
                await peer.read()

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.write(bytes(size))
            full.set()
            await client.lost
            assert client.calls == ["made", "eof", "lost"]
            assert client.error is None

    loop.run_until_complete(main())


def test_a_flood_does_not_hold_up_the_end(loop: Loop) -> None:
    """A connection that is closed does not go on to receive."""

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await peer.send(peer.encrypted(bytes(16384)))

        # With the time-out as long as it is unless given, half a minute.
        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            await client.got_data.wait()
            client.transport.close()
            came = len(client.data)
            await client.lost
            assert len(client.data) == came

    loop.run_until_complete(main())


def test_a_flood_while_reading_is_paused_does_not_hold_up_the_end(loop: Loop) -> None:
    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await peer.send(peer.encrypted(bytes(16384)))

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.pause_reading()
            # Until the peer has to wait.
            while client.transport.get_read_buffer_size() < 256 << 10:
                await asyncio.sleep(0)
            client.transport.close()
            await client.lost
            assert client.data == b""

    loop.run_until_complete(main())


def test_a_peer_that_does_not_answer(loop: Loop) -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def serve(peer: ByHand) -> None:
            assert await peer.read() == b""
            await done.wait()

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, ssl_shutdown_timeout=0.01)
            client.transport.close()
            await client.lost
            done.set()
            assert isinstance(client.error, TimeoutError)
            assert str(client.error) == "SSL shutdown timed out"
            assert client.calls == ["made", "lost"]

    loop.run_until_complete(main())


@pytest.mark.parametrize("ended", [False, True])
def test_a_peer_that_does_not_read(loop: Loop, ended: bool) -> None:
    if ended:
        skip_bug_of_asyncio(
            loop, sys.version_info < (3, 14), "waits for ever for what it cannot send"
        )

    async def main() -> None:
        done = asyncio.Event()

        async def serve(peer: ByHand) -> None:
            if ended:
                await peer.send(peer.close_notify())
            await done.wait()

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, ssl_shutdown_timeout=0.01)
            client.transport.write(bytes(16 << 20))
            if not ended:
                client.transport.close()
            await client.lost
            done.set()
            assert isinstance(client.error, TimeoutError)

    loop.run_until_complete(main())


def test_abort(loop: Loop) -> None:
    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            try:
                await peer.read()
            except (EOFError, ConnectionError):
                return
            pytest.fail("an end was told")

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.abort()
            assert client.transport.is_closing()
            client.transport.write(b"too late")
            await client.lost
            assert client.calls == ["made", "lost"]
            assert client.error is None
            client.transport.abort()

    loop.run_until_complete(main())


def test_abort_with_data_waiting(loop: Loop) -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def serve(peer: ByHand) -> None:
            await done.wait()

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.write(bytes(16 << 20))
            client.transport.close()
            client.transport.abort()
            await client.lost
            done.set()
            assert client.calls == ["made", "lost"]
            assert client.error is None

    loop.run_until_complete(main())


def test_writing_after_the_end(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            client.transport.close()
            await client.lost
            with caplog.at_level(logging.WARNING, "asyncio"):
                for _ in range(10):
                    client.transport.write(b"x")
            assert {record.message for record in caplog.records} == {"SSL connection is closed"}
            assert len(caplog.records) < 10

    loop.run_until_complete(main())


def test_the_end_while_reading_is_paused(loop: Loop) -> None:
    """It is told after what came before it."""

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            await peer.send(peer.encrypted(b"last"))

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.pause_reading()
            while not client.transport.get_read_buffer_size():
                await asyncio.sleep(0)
        # Its handler has ended, and closed the connection.
        for _ in range(10):
            await asyncio.sleep(0)
        assert client.calls == ["made"]
        client.transport.resume_reading()
        await client.lost
        assert client.data == b"last"
        assert client.calls == ["made", "data", "eof", "lost"]

    loop.run_until_complete(main())


def test_closed_at_the_end_while_reading_is_paused(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, True, "waits for ever for the program to read on")

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            await peer.send(peer.encrypted(b"last"))

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            client.transport.pause_reading()
            while not client.transport.get_read_buffer_size():
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        client.transport.close()
        await client.lost
        assert client.data == b""

    loop.run_until_complete(main())


def test_close_within_data_received(loop: Loop) -> None:
    class Hasty(Recorded):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.write(b"bye")
            self.transport.close()

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            await peer.send(peer.encrypted(b"hello"))
            assert await peer.read_to_end() == b"bye"
            await peer.send(peer.close_notify())

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, Hasty)
            await client.lost
            assert client.error is None

    loop.run_until_complete(main())


def test_an_answer_to_the_end(loop: Loop) -> None:
    class Polite(Recorded):
        def eof_received(self) -> None:
            super().eof_received()
            self.transport.write(b"bye")

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            await peer.send(peer.close_notify())
            assert await peer.read_exactly(3) == b"bye"

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, Polite)
            await client.lost
            assert client.error is None

    loop.run_until_complete(main())


def test_half_closing_has_no_effect(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    class Staying(Recorded):
        def eof_received(self) -> bool:  # type: ignore[override]
            super().eof_received()
            return True

    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            await peer.send(peer.close_notify())

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, Staying)
            with caplog.at_level(logging.WARNING, "asyncio"):
                await client.lost

    loop.run_until_complete(main())
    assert "has no effect when using ssl" in caplog.text


@pytest.mark.parametrize("how", ["close", "abort", "peer", "reset"])
def test_nothing_is_kept(loop: Loop, how: str) -> None:
    """Without the help of the cyclic collector."""

    async def main() -> list[weakref.ref[object]]:
        async def serve(peer: ByHand) -> None:
            if how == "peer":
                await peer.send(peer.close_notify())
            try:
                assert await peer.read() == b"x"
                if how == "reset":
                    peer.reset()
                    return
                await peer.read()
                await peer.send(peer.close_notify())
            except (ssl.SSLError, EOFError, ConnectionError):
                pass

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address, ssl=context)
            client.transport.write(b"x")
            refs = [
                weakref.ref(client),
                weakref.ref(client.transport),
                weakref.ref(client.transport.get_extra_info("ssl_object")),
            ]
            if how in ("close", "abort"):
                getattr(client.transport, how)()
            await client.lost
        return refs

    context = client_context()
    gc.collect()
    gc.disable()
    try:
        refs = loop.run_until_complete(main())
        # Handles that ran are forgotten with the next turn.
        loop.run_until_complete(asyncio.sleep(0))
        assert [ref() for ref in refs] == [None, None, None]
    finally:
        gc.enable()


def test_a_transport_that_was_closed_again_still_answers(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, True, "forgets its connection at the second close")

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            client = await connect(address)
            transport = client.transport
            transport.close()
            transport.close()
            await client.lost
            transport.close()
            assert transport.get_extra_info("ssl_object") is not None
            assert transport.get_protocol() is None
            assert transport.is_closing()
            transport.abort()

    loop.run_until_complete(main())


def test_a_failed_handshake_keeps_nothing(loop: Loop) -> None:
    reports = Reports()
    loop.set_exception_handler(reports)
    refs = []

    class Seen(Recorded):
        def __init__(self) -> None:
            super().__init__()
            refs.append(weakref.ref(self))

    async def main() -> None:
        async with serving(echo, ssl=server_context()) as address:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(address, Seen, server_hostname="elsewhere.example")

    loop.run_until_complete(main())
    gc.collect()
    assert [ref() for ref in refs] == [None]
    assert not reports


def test_a_transport_that_is_not_closed(loop: Loop) -> None:
    async def main() -> None:
        async def serve(peer: ByHand) -> None:
            assert await peer.reader.read() == b""

        async with serving(server_by_hand(serve)) as address:
            client = await connect(address)
            transport = client.transport
            # Only its user holds it then.
            core = transport._ssl_protocol
            client.transport = core._app_transport = None
            with pytest.warns(ResourceWarning, match="unclosed transport"):
                del transport
            core._transport.abort()
            await client.lost

    loop.run_until_complete(main())
