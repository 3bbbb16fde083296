"""connect_read_pipe and connect_write_pipe."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.contract.loops import Loop


class Reading(asyncio.Protocol):
    def __init__(self) -> None:
        self.got = b""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


def test_both_ends(loop: Loop, pipe: tuple[int, int]) -> None:
    data = os.urandom(500_000)

    async def main() -> None:
        _, protocol = await loop.connect_read_pipe(Reading, os.fdopen(pipe[0], "rb", 0))
        writing, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(pipe[1], "wb", 0)
        )
        writing.write(data)
        writing.write_eof()
        await protocol.closed
        assert protocol.got == data

    loop.run_until_complete(main())


def test_a_stream_reader_over_a_pipe(loop: Loop, pipe: tuple[int, int]) -> None:
    async def main() -> None:
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe[0], "rb", 0)
        )
        os.write(pipe[1], b"one\ntwo\nthree")
        assert await reader.readline() == b"one\n"
        assert await reader.readline() == b"two\n"
        os.close(pipe[1])
        assert await reader.read() == b"three"
        transport.close()
        await asyncio.sleep(0)

    loop.run_until_complete(main())


def test_the_reader_goes_away(loop: Loop, pipe: tuple[int, int]) -> None:
    async def main() -> None:
        writing, protocol = await loop.connect_write_pipe(Reading, os.fdopen(pipe[1], "wb", 0))
        os.close(pipe[0])
        await protocol.closed
        assert writing.is_closing()

    loop.run_until_complete(main())


def test_a_terminal(loop: Loop) -> None:
    master, slave = os.openpty()

    async def main() -> None:
        transport, protocol = await loop.connect_read_pipe(Reading, os.fdopen(master, "rb", 0))
        os.write(slave, b"typed\n")
        while b"\n" not in protocol.got:
            await asyncio.sleep(0)
        assert protocol.got == b"typed\r\n"
        transport.close()
        await protocol.closed

    loop.run_until_complete(main())
    os.close(slave)


def test_what_is_no_pipe(loop: Loop, tmp_path: Any) -> None:
    async def main() -> None:
        with (tmp_path / "file").open("wb") as file:
            for connect in (loop.connect_read_pipe, loop.connect_write_pipe):
                with pytest.raises(ValueError, match=r"is (for|only for) pipes"):
                    await connect(Reading, file)

    loop.run_until_complete(main())
