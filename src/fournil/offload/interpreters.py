"""Interpreters as workers."""

from __future__ import annotations

import atexit
import math
import os
import pickle
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fournil._worker.interpreter import LAST
from fournil._worker.ledger import BEGAN, INTERRUPT, SLOTS
from fournil._worker.worker import INTERRUPTS
from fournil.errors import PoolError
from fournil.offload.remote import RemotePool, Starter
from fournil.offload.remote_worker import RemoteWorker
from fournil.offload.template import HOME

if TYPE_CHECKING:
    import asyncio

OLDEST = (3, 14)

PATIENCE_S = 1.0
"""How long calls that run when the program ends have to come to their end."""


class InterpreterPool(RemotePool):
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

    def _make_starter(self) -> Starter:
        assert self._loop is not None
        return Interpreters(self._loop, self, self._setup())

    def _make_worker(self, number: int) -> RemoteWorker:
        return Interpreter(self, number)


class Interpreter(RemoteWorker):
    """One worker interpreter; its handle is what it is poked by."""

    def signal(self, number: int) -> None:
        if self.handle is not None and number == INTERRUPTS:
            os.eventfd_write(self.handle, 1)

    def quit(self) -> None:
        """Have it end as soon as it can, whoever waits for its calls; the loop may be closed."""
        for number in list(self.desk.sent):
            self.channel.ledger.revoked[number % SLOTS] = 1
        self.words[INTERRUPT] = self.words[BEGAN]
        self.signal(INTERRUPTS)
        self.channel.end()

    def close(self) -> None:
        _running.pop(self, None)
        super().close()


class Interpreters:
    """Starts interpreters, each in a thread.

    Args:
        loop: the loop in whose thread all of this is used, but for `run`.
        pool: is told what happens.
        setup: what all workers need to know.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pool: RemotePool, setup: dict[str, Any]
    ) -> None:
        self._loop = loop
        # Not held: a pool that is thrown away open closes this.
        self._pool = weakref.ref(pool)
        self._setup = setup

    def request(self, worker: RemoteWorker) -> None:
        """Start a worker, in a thread."""
        pool = self._pool()
        assert pool is not None
        assert isinstance(worker, Interpreter)
        opened: list[int] = []
        try:
            opened += map(os.dup, worker.channel.their_descriptors())
            opened.append(os.eventfd(0, os.EFD_CLOEXEC))
            opened.append(os.dup(opened[-1]))
            *theirs, handle = opened
            thread = threading.Thread(
                # One that runs for ever must not keep the process from ending.
                target=self.run,
                args=(worker.number, worker.name, theirs),
                name=worker.name,
                daemon=True,
            )
            thread.start()
        except (OSError, RuntimeError) as error:
            for descriptor in opened:
                os.close(descriptor)
            self._loop.call_soon(self._not_started, worker.number, str(error))
            return
        pool.started(worker.number, os.getpid(), handle)
        _running[worker] = thread

    def _not_started(self, number: int, reason: str) -> None:
        pool = self._pool()
        if pool is not None:
            pool.not_started(number, OSError(reason))

    def run(self, number: int, name: str, descriptors: list[int]) -> None:
        """Be a worker, in a thread of its own."""
        interpreters: Any = import_module("concurrent.interpreters")  # since 3.14
        status = 1
        left = descriptors
        try:
            with _changes:
                interpreter = interpreters.create()
            try:
                interpreter.exec(
                    f"import sys; sys.path.insert(0, {HOME!r}); import pickle;"
                    " from fournil._worker.interpreter import work"
                )
                given = pickle.dumps((name, *descriptors, self._setup))
                left = []  # they are its own from here on
                interpreter.exec(f"work(*pickle.loads({given!r}))")
                status = 0
            finally:
                with _changes:
                    interpreter.close()
        except BaseException:
            traceback.print_exc()
        for descriptor in left:
            os.close(descriptor)
        try:
            self._loop.call_soon_threadsafe(self._ended, number, status, threading.current_thread())
        except RuntimeError:
            pass  # the loop is closed

    def _ended(self, number: int, status: int, thread: threading.Thread) -> None:
        thread.join()  # it has nothing left to do
        pool = self._pool()
        if pool is not None:
            pool.ended(number, status << 8)

    def close(self) -> None:
        """Do nothing: an interpreter ends when its channel does."""


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
    until = time.monotonic() + PATIENCE_S
    for thread in left.values():
        thread.join(max(0.0, until - time.monotonic()))
    _changes.acquire()
    # What waits in C code for longer ends with the process, as threads of a pool do; CPython warns
    # of it, and before waits for the threads that wait to be poked.
    warnings.filterwarnings("ignore", "remaining subinterpreters", RuntimeWarning)
    for worker in left:
        if worker.handle is not None:
            os.eventfd_write(worker.handle, LAST)
