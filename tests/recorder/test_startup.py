"""When a server began to listen and accepted its first connection stands in the recording."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_file
from fournil.observe.report.document import as_dict
from fournil.observe.report.publish import load


def read(path: Path) -> Recording:
    return snapshot(read_file(str(path)))


class Host(asyncio.Protocol):
    """Ends each connection as its visitor does."""


def serve() -> Coroutine[Any, Any, asyncio.Server]:
    return asyncio.get_running_loop().create_server(Host, "127.0.0.1", 0)


async def visit(server: asyncio.Server) -> None:
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


def test_a_server_that_was_visited(tmp_path: Path) -> None:
    async def main() -> None:
        time.sleep(0.06)
        async with await serve() as server:
            await asyncio.sleep(0)
            time.sleep(0.07)
            await asyncio.sleep(0)
            await visit(server)
            time.sleep(0.08)

    with fournil.Recorder(tmp_path / "r"):
        fournil.run(main())
    recording = read(tmp_path / "r")
    assert recording.serving_s is not None
    assert recording.serving_s > 0.13
    told = as_dict(load(str(tmp_path / "r")))["blocked"]
    # A busy machine may block more.
    at_startup = {
        of["line"]: of["when"]["at_startup"] for of in told if of["function"].endswith("main")
    }
    assert sum(at_startup.values()) >= 1
    assert not all(at_startup.values())


def test_a_server_that_nobody_visited(tmp_path: Path) -> None:
    async def main() -> None:
        async with await serve():
            await asyncio.sleep(0)

    with fournil.Recorder(tmp_path / "r"):
        fournil.run(main())
    recording = read(tmp_path / "r")
    assert recording.serving_s is not None
    assert recording.serving_s <= recording.run_s


def test_a_server_that_was_there_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with await serve() as server:
            with fournil.Recorder(tmp_path / "r"):
                await asyncio.sleep(0)
                await visit(server)

    fournil.run(main())
    assert read(tmp_path / "r").serving_s is None


def test_a_client(tmp_path: Path) -> None:
    with fournil.Recorder(tmp_path / "r"):
        fournil.run(asyncio.sleep(0))
    assert read(tmp_path / "r").serving_s is None
