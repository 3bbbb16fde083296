"""Starts the demo's servers, and sees to it that no process of theirs outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PATIENCE_S = 5.0
"""How long a server may take to end when it is asked to."""


class ServerError(Exception):
    """A server did not start, or ended as it should not."""


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[tuple[Process, int]]:
    """Run Python with arguments, as a server that prints its port; end it if it is not awaited."""
    # In a session of its own, a Ctrl-C does not reach it: the demo alone says when it ends.
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=PIPE, start_new_session=True
    )
    serves = False
    try:
        assert process.stdout is not None
        port = await process.stdout.readline()
        if not port.strip().isdigit():
            raise ServerError(f"`python {' '.join(arguments)}` printed no port, but {port!r}")
        serves = True
        yield process, int(port)
    finally:
        await _end(process, serves)


async def _end(process: Process, serves: bool) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            # One that has ended is gone before asyncio has heard of it.
            with suppress(ProcessLookupError):
                if process.returncode is None and serves:
                    process.send_signal(signal.SIGINT)
                elif process.returncode is None:
                    # A Ctrl-C would interrupt its imports, or its workers', with a traceback.
                    os.killpg(process.pid, signal.SIGTERM)
            await process.wait()
    except TimeoutError:
        pass  # it is killed
    finally:  # also after a second Ctrl-C
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
