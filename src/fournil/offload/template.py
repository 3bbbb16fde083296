"""The template process as its parent sees it: it is asked for workers, and says how they ended."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fournil._worker.template import (
    ENDED,
    FAILED,
    NOT_STARTED,
    REPORT,
    REQUEST,
    STARTED,
    code,
)

if TYPE_CHECKING:
    from fournil.offload.remote import RemotePool
    from fournil.offload.remote_worker import RemoteWorker

HOME = str(Path(__file__).parents[2])
"""The folder that the package is in."""


class Template:
    """One template process.

    Args:
        loop: the loop in whose thread all of this is used.
        pool: is told what happens.
        setup: what it and its workers need to know.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pool: RemotePool, setup: dict[str, Any]
    ) -> None:
        self._loop = loop
        # Not held: a pool that is thrown away open closes this.
        self._pool = weakref.ref(pool)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            command = [sys.executable, *interpreter_options(), "-c"]
            setup = {**setup, "home": HOME, "command": command}
            self._process = subprocess.Popen(
                [*command, code(HOME, f"main({theirs.fileno()})")],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
            self._control.send(pickle.dumps(setup))
        except BaseException:
            self._control.close()
            raise
        finally:
            theirs.close()
        self._control.setblocking(False)
        self._descriptor = self._control.fileno()
        loop.add_reader(self._descriptor, self._readable)

    def request(self, worker: RemoteWorker) -> None:
        """Ask for a worker."""
        descriptors = worker.channel.their_descriptors()
        # It does nothing but read, so this waits for nothing but its imports.
        self._control.setblocking(True)
        try:
            socket.send_fds(self._control, [REQUEST.pack(worker.number)], descriptors)
        except ConnectionError:
            pass  # it is gone, as will be told
        finally:
            self._control.setblocking(False)

    def _readable(self) -> None:
        try:
            message, handles, _, _ = socket.recv_fds(self._control, 1 << 15, 1)
        except BlockingIOError:
            return
        except OSError:
            message, handles = b"", []
        pool = self._pool()
        if pool is None:
            for handle in handles:
                os.close(handle)
            return
        if not message:
            self.close()
            pool.starter_ended()
            return
        kind, number, process, status = REPORT.unpack_from(message)
        match kind:
            case _ if kind == STARTED:
                pool.started(number, process, handles[0])
            case _ if kind == NOT_STARTED:
                pool.not_started(number, OSError(status, "fork"))
            case _ if kind == ENDED:
                pool.ended(number, status)
            case _ if kind == FAILED:
                pool.starter_failed(message[REPORT.size :].decode())

    def close(self) -> None:
        """Have it end, and its workers with it."""
        if self._control.fileno() < 0:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._control.close()
        # It may be in the midst of an import.
        self._process.kill()
        self._process.wait()


def interpreter_options() -> list[str]:
    """Return the options that this interpreter was started with, of those that matter to code."""
    flags = sys.flags
    options = ["-O"] * flags.optimize
    options += ["-B"] * flags.dont_write_bytecode
    options += ["-I"] if flags.isolated else ["-E"] * flags.ignore_environment
    options += ["-S"] * flags.no_site
    for name, value in sys._xoptions.items():
        options += ["-X", name if value is True else f"{name}={value}"]
    for option in sys.warnoptions:
        options += ["-W", option]
    return options
