"""Interpreters as workers."""

from __future__ import annotations

import atexit
import marshal
import math
import os
import socket
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from errno import EAGAIN, EBADF
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fournil._worker.control_block import BEGAN, INTERRUPT, WINDOW
from fournil._worker.own import own_pair
from fournil._worker.starting.command import FIND
from fournil._worker.worker import INTERRUPTS
from fournil.errors import PoolError
from fournil.offload.isolated.forkserver import HOME
from fournil.offload.isolated.pool import IsolatedPool, setup
from fournil.offload.isolated.supervisor import MakeStarter, MakeWorker
from fournil.offload.isolated.worker import IsolatedWorker, Owner

if TYPE_CHECKING:
    import asyncio

OLDEST = (3, 14)

ENDING_S = 1.0
"""How long calls that run when the program ends have to come to their end."""


class InterpreterPool(IsolatedPool):
    """A pool of interpreters in threads of this process, each with a GIL of its own.

    For Python code, as `ProcessPool`: functions, arguments and results are pickled in the same way,
    and run side by side. An interpreter takes less memory than a process, starts in about the same
    time, and cannot be killed. Not all modules can be imported in one: those in C must say that
    they can (numpy does not).

    A call that is cancelled while it runs is interrupted: `asyncio.CancelledError` is raised in its
    function, between two lines of Python. C code cannot be interrupted: whoever awaits the call
    goes on when it has returned. A process that has such a pool must not fork by `os.fork`: CPython
    crashes in the child. Programs may be started, as by `subprocess`.

    Args:
        workers: how many interpreters at most, started as they are needed; as many as processors
            unless given.
        initializer: called once in each worker before its calls; what it returns is what
            `fournil.worker_state` returns there.
        initargs: its arguments.
        context_vars: context variables whose values go with each call.
        max_tasks_per_child: how many calls a worker runs before another takes its place.
        idle_timeout: after how many seconds with nothing to do a worker ends; None: never.
        name: what the workers' names begin with.

    Raises:
        PoolError: this Python is older than 3.14.

    Example:
        async with fournil.InterpreterPool(workers=2) as pool:
            squares = [square async for square in pool.map(lambda n: n * n, range(4))]
    """

    _kind = "InterpreterPool"

    def __init__(
        self,
        workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        context_vars: Iterable[ContextVar[Any]] = (),
        max_tasks_per_child: int | None = None,
        idle_timeout: float | None = None,
        name: str = "fournil interpreter",
    ) -> None:
        if sys.version_info < OLDEST:
            raise PoolError(
                f"InterpreterPool needs CPython 3.14 or newer, and this is"
                f" {sys.version.split()[0]}: use a ProcessPool, which keeps the same contract"
            )
        super().__init__(
            workers,
            initializer=initializer,
            initargs=initargs,
            context_vars=context_vars,
            max_tasks_per_child=max_tasks_per_child,
            idle_timeout=idle_timeout,
            grace=math.inf,
            name=name,
        )

    def _makers(self) -> tuple[MakeStarter, MakeWorker]:
        name = self.name
        return lambda owner: Interpreters(
            owner.loop, owner, {**setup(name), "home": HOME}
        ), Interpreter


class Interpreter(IsolatedWorker):
    """One worker interpreter."""

    def __init__(self, owner: Owner, number: int) -> None:
        self._interrupts, self._their_interrupts = own_pair()
        try:
            self._interrupts.setblocking(False)
            super().__init__(owner, number)
        except BaseException:
            self._close_interrupts()
            raise
        self.pid = os.getpid()

    def their_descriptors(self) -> list[int]:
        if not self._their_interrupts.is_there():
            raise OSError(EBADF, os.strerror(EBADF))
        return [*super().their_descriptors(), self._their_interrupts.fileno()]

    def handed_over(self) -> None:
        super().handed_over()
        self._their_interrupts.close()

    def signal(self, number: int) -> None:
        if number == INTERRUPTS and self._interrupts.is_there():
            try:
                self._interrupts.send(b"i")
            except OSError:
                pass  # it has ended; or it has been interrupted, and did not look yet

    def kill(self) -> None:
        self.quit()
        self.lose()

    def quit(self) -> None:
        """Have it end as soon as it can, whoever waits for its calls; the loop may be closed."""
        for number in list(self.slot.sent):
            self.channel.control_block.revoked[number % WINDOW] = 1
        self.words[INTERRUPT] = self.words[BEGAN]
        self.signal(INTERRUPTS)
        self.channel.end()

    def interrupt_no_more(self) -> None:
        """Let the thread end that waits to be interrupted."""
        if self._interrupts.is_there():
            self._interrupts.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        _running.pop(self, None)
        self._close_interrupts()
        super().close()

    def leave(self) -> None:
        self._close_interrupts()
        super().leave()

    def _close_interrupts(self) -> None:
        self._interrupts.close()
        self._their_interrupts.close()


class Interpreters:
    """Starts interpreters, each in a thread.

    Args:
        loop: the loop in whose thread all of this is used, but for `run`.
        owner: is told what happens.
        setup: what all workers need to know.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, owner: Owner, setup: dict[str, Any]
    ) -> None:
        self._loop = loop
        # Not held: a pool that is thrown away open closes this.
        self._owner = weakref.ref(owner)
        self._setup = setup

    def request(self, worker: IsolatedWorker) -> None:
        """Start a worker, in a thread."""
        assert isinstance(worker, Interpreter)
        descriptors: list[int] = []
        try:
            descriptors += map(os.dup, worker.their_descriptors())
            thread = threading.Thread(
                # One that runs for ever must not keep the process from ending.
                target=self.run,
                args=(worker.number, descriptors),
                name=worker.name,
                daemon=True,
            )
            thread.start()
        except (OSError, RuntimeError) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            if isinstance(error, RuntimeError):
                raise OSError(EAGAIN, str(error)) from error
            raise
        worker.handed_over()
        _running[worker] = thread

    def run(self, number: int, descriptors: list[int]) -> None:
        """Be a worker, in a thread of its own."""
        interpreters: Any = import_module("concurrent.interpreters")  # since 3.14
        tell: Callable[..., None] = self._ended
        outcome: object = 1 << 8
        left = descriptors
        try:
            try:
                with _changes:
                    interpreter = interpreters.create()
            except BaseException as error:
                tell, outcome = self._not_started, OSError(EAGAIN, str(error.__cause__ or error))
            else:
                try:
                    told = marshal.dumps(self._setup)
                    interpreter.exec(
                        f"import sys, marshal\ntold = marshal.loads({told!r})\n{FIND}"
                        "from fournil._worker.starting.interpreter import work"
                    )
                    left = []  # they are its own from here on
                    interpreter.exec(f"work({number}, {descriptors}, told)")
                    outcome = 0
                finally:
                    with _changes:
                        interpreter.close()
        except BaseException:
            traceback.print_exc()
        for descriptor in left:
            os.close(descriptor)
        try:
            self._loop.call_soon_threadsafe(tell, number, outcome, threading.current_thread())
        except RuntimeError:
            pass  # the loop is closed

    def _not_started(self, number: int, error: OSError, thread: threading.Thread) -> None:
        thread.join()  # it has nothing left to do
        owner = self._owner()
        if owner is not None:
            owner.not_started(number, error)

    def _ended(self, number: int, status: int, thread: threading.Thread) -> None:
        thread.join()  # it has nothing left to do
        owner = self._owner()
        if owner is not None:
            owner.ended(number, status)

    def is_there(self) -> bool:
        return True

    def check(self) -> None:
        """Do nothing: a thread is not stopped."""

    def close(self) -> None:
        """Do nothing: an interpreter ends when its channel does."""

    def leave(self) -> None:
        """Do nothing: in a forked child there are no threads."""


_running: weakref.WeakKeyDictionary[Interpreter, threading.Thread] = weakref.WeakKeyDictionary()
"""The interpreters that have not ended, and their threads; of threads that hold the GIL."""

_changes = threading.Lock()
"""Held while an interpreter is made or taken apart: CPython may not end meanwhile."""


@atexit.register
def _end_all() -> None:
    # CPython crashes where it ends while Python code runs in another interpreter.
    left = dict(_running)
    for worker in left:
        worker.quit()
    until = time.monotonic() + ENDING_S
    for thread in left.values():
        thread.join(max(0.0, until - time.monotonic()))
    _changes.acquire()
    # What waits in C code for longer ends with the process, as threads of a pool do; CPython warns
    # of it, and before waits for the threads that wait to be interrupted.
    warnings.filterwarnings("ignore", "remaining subinterpreters", RuntimeWarning)
    for worker in left:
        worker.interrupt_no_more()


def _forked() -> None:
    global _changes
    _running.clear()
    _changes = threading.Lock()


os.register_at_fork(after_in_child=_forked)
