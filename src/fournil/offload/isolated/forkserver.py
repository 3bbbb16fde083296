"""Forkserver process as its parent sees it: it is asked for workers."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from fournil._worker.own import OwnSocket, own_pair
from fournil._worker.starting.command import command, told
from fournil._worker.starting.forkserver import NOT_STARTED, REFUSAL, REQUEST
from fournil.offload.watching import Watched

HOME = str(Path(__file__).parents[3])
"""The folder that the package is in."""

ROOM = 1 << 16
"""So many bytes of an environment that has no room on a command line are given there; the rest is
told."""


class Startable(Protocol):
    """Worker that is about to be started."""

    number: int

    def their_descriptors(self) -> list[int]:
        """Return what it is to be started with; raise OSError if somebody else closed it."""

    def handed_over(self) -> None:
        """Let go of what it has now."""


class Owner(Protocol):
    """What is told how starting goes on, in its loop's thread."""

    def not_started(self, number: int, error: OSError, /) -> None:
        """Note that a worker was not started."""

    def starter_failed(self, text: str, /) -> None:
        """Note that no worker ever can be started, since something cannot be imported."""

    def starter_ended(self, starter: Any, /) -> None:
        """Note that the forkserver has ended."""


class Forkserver:
    """One forkserver process.

    Args:
        loop: the loop in whose thread all of this is used.
        owner: is told what happens.
        setup: what it and its workers need to know.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: Owner, setup: dict[str, Any]
    ) -> None:
        self._loop = loop
        # Not held: a pool that is thrown away open closes this.
        self._owner = weakref.ref(owner)
        self._waiting: deque[Startable] = deque()  # to be asked for, when there is room
        with ExitStack() as opened:
            self._control, theirs = own_pair(socket.SOCK_SEQPACKET)
            opened.callback(self._control.close)
            with theirs:
                self._process = _started(setup, theirs)
            opened.callback(self._end_process)
            self._control.setblocking(False)
            self._watched = Watched(loop, self._control.fileno(), self._readable)
            opened.pop_all()

    # To the forkserver.

    def request(self, worker: Startable) -> None:
        """Ask for a worker; it is told what it is handed over, or that it is not started."""
        self._waiting.append(worker)
        self._ask()

    def _ask(self) -> None:
        """Ask for those that wait, as far as there is room."""
        while self._waiting:
            worker = self._waiting[0]
            if not self.is_there():
                self._loop.call_soon(self._gone)
                return
            try:
                descriptors = worker.their_descriptors()
                socket.send_fds(self._control, [REQUEST.pack(worker.number)], descriptors)
            except BlockingIOError:
                # It is importing, or was stopped.
                self._watched.when_writable(self._ask)
                return
            except ConnectionError:
                pass  # it is gone, as will be told
            except OSError as error:
                self._loop.call_soon(self._not_started, worker.number, error)
            self._waiting.popleft()
            worker.handed_over()

    def is_there(self) -> bool:
        """Return whether it can be reached: nobody else has closed what leads there."""
        return self._control.is_there()

    def check(self) -> None:
        """See whether it can be reached, and let it go on if it was stopped."""
        if self.is_there():
            self._process.send_signal(signal.SIGCONT)
        else:
            self._gone()

    # From the forkserver.

    def _readable(self) -> None:
        try:
            message = self._control.recv(1 << 15)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if len(message) < REFUSAL.size:
            self._gone()
            return
        kind, number, code = REFUSAL.unpack_from(message)
        if kind == NOT_STARTED:
            self._not_started(number, OSError(code, os.strerror(code)))
        elif (owner := self._owner()) is not None:
            owner.starter_failed(message[REFUSAL.size :].decode())

    def _not_started(self, number: int, error: OSError) -> None:
        owner = self._owner()
        if owner is not None:
            owner.not_started(number, error)

    def _gone(self) -> None:
        self.close()
        owner = self._owner()
        if owner is not None:
            owner.starter_ended(self)

    def close(self) -> None:
        """Have it end, and its workers with it."""
        self._watched.end()
        self._control.close()
        while self._waiting:
            # What is told is that nobody has what the other sides of its sockets are.
            self._waiting.popleft().handed_over()
        self._end_process()

    def _end_process(self) -> None:
        # It may be in the midst of an import.
        self._process.kill()
        self._process.wait()

    def leave(self) -> None:
        """Let go of what a forked child has of it: it is its parent's."""
        self._control.close()
        self._watched.end_in_child()
        self._process.returncode = 0


def _started(setup: dict[str, Any], control: OwnSocket) -> subprocess.Popen[bytes]:
    """Return a process that was started."""
    setup = {
        **setup,
        "home": HOME,
        "options": interpreter_options(),
        "environment": None,
        "started with": None,
    }
    try:
        return _run(setup, control)
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
    # A process sets more in its own environment than it can give to another on its start.
    return _run(
        {**setup, "environment": dict(os.environb), "started with": _smallest(os.environb)}, control
    )


def _run(setup: dict[str, Any], control: OwnSocket) -> subprocess.Popen[bytes]:
    file = told(setup)
    try:
        given = [file.descriptor, control.fileno()]
        return subprocess.Popen(
            command(setup["options"], given[0], "forkserver", given[1]),
            stdin=subprocess.DEVNULL,
            pass_fds=given,
            env=setup["started with"],
        )
    finally:
        file.close()


def _smallest(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the short ones of variables, as what Python itself needs is, as many as have room."""
    room = ROOM
    found = {}
    for name, value in sorted(environment.items(), key=lambda item: len(item[1])):
        room -= len(name) + len(value)
        if room < 0:
            break
        found[name] = value
    return found


def interpreter_options() -> list[str]:
    """Return the options that this interpreter was started with, of those that matter to code."""
    flags = sys.flags
    options = ["-O"] * flags.optimize
    options += ["-B"] * flags.dont_write_bytecode
    options += ["-b"] * flags.bytes_warning
    if flags.isolated:
        options += ["-I"]
    else:
        options += ["-E"] * flags.ignore_environment
        options += ["-s"] * flags.no_user_site
        options += ["-P"] * flags.safe_path
    options += ["-S"] * flags.no_site
    for name, value in sys._xoptions.items():
        options += ["-X", name if value is True else f"{name}={value}"]
    for option in sys.warnoptions:
        options += ["-W", option]
    return options
