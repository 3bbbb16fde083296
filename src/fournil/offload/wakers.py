"""Wakers of a pool's threads, and of the loop by them."""

from __future__ import annotations

import _thread
import asyncio
import threading
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Protocol

from fournil.offload.watching import Watched

if TYPE_CHECKING:
    from fournil._native import wakers


class Sleep(Protocol):
    """A semaphore that one thread sleeps on."""

    def wait(self) -> None:
        """Sleep until the semaphore was posted once more than it was waited for."""

    def post(self) -> None:
        """Wake the thread that sleeps here, or will, and let it have the GIL."""

    def post_with_gil(self) -> None:
        """Wake the thread; it runs when the GIL is free."""


class PythonSleep:
    """A semaphore of Python's, where there are no native modules, or no threads of the system."""

    def __init__(self) -> None:
        self._semaphore = threading.Semaphore(0)

    def wait(self) -> None:
        self._semaphore.acquire()

    def post(self) -> None:
        self._semaphore.release()

    post_with_gil = post


def threads_are_replaced() -> bool:
    """Return whether the program has put others in the place of threads, as gevent does.

    They all run in one thread of the system's, which nothing may stop that is not theirs.
    """
    return type(_thread.start_new_thread) is not BuiltinFunctionType


def new_sleep() -> Sleep:
    """Return a semaphore for one thread to sleep on."""
    if threads_are_replaced():
        return PythonSleep()
    try:
        from fournil._native import wakers
    except ImportError:
        return PythonSleep()  # Cython's modules do not load in interpreters beside the main one
    return wakers.Semaphore()


class LoopWaker:
    """A call of a function by a loop, soon, when any thread asks for it.

    Each thread that is going to ask says so before, by `retain`, and when it will ask no more, by
    `release`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        self.loop = loop
        self.function = function

    def wake(self) -> bool:
        """Have the function called; return False if the loop is closed."""
        try:
            self.loop.call_soon_threadsafe(self.function)
        except RuntimeError:
            return False
        return True

    def retain(self) -> None:
        """Count one more thread that is going to ask; called by the loop's thread, for it."""

    def release(self) -> None:
        """Count one thread less: the caller asks no more."""

    def close(self) -> None:
        """Have the loop listen no more; in the loop's thread, or when that uses this no more."""

    def leave(self) -> None:
        """Close the descriptors here, in a forked child: the waker is its parent's."""


class PipeWaker(LoopWaker):
    """A waker by a pipe, which asyncio's own loop hears in half the time.

    Its `call_soon_threadsafe` sends a byte through a socket, which it then reads until there is
    none, and calls the function in the turn after that. A reader is called as soon as it is read.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, function: Callable[[], None], pipe: wakers.Pipe
    ) -> None:
        super().__init__(loop, function)
        self.thread = threading.get_ident()
        self.pipe = pipe
        self.lock = threading.Lock()
        self.holders = 1  # threads that may write to the pipe, and the loop; under the lock
        self.closed = False  # of the loop's thread, or whoever collects a pool that was thrown away
        self.watched = Watched(loop, pipe.fileno(), self.answer)

    def wake(self) -> bool:
        if self.loop.is_closed():
            return False
        return self.pipe.wake() or super().wake()

    def answer(self) -> None:
        self.pipe.clear()
        self.function()

    def retain(self) -> None:
        with self.lock:
            self.holders += 1

    def release(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders:
                return
        # Only now: another thread may be about to write to it.
        self.pipe.close()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if threading.get_ident() == self.thread:
            self.end()
            return
        # Of a pool that was thrown away, by the collector in another thread.
        try:
            self.loop.call_soon_threadsafe(self.end)
        except RuntimeError:
            self.release()  # a closed loop has no readers

    def end(self) -> None:
        self.watched.end()
        self.release()

    def leave(self) -> None:
        self.closed = True
        self.pipe.close()
        self.watched.end_in_child()


def waker_of(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> LoopWaker:
    """Return the waker that has a loop call a function soonest."""
    is_asyncio_own = (
        isinstance(loop, asyncio.SelectorEventLoop)
        and type(loop).call_soon_threadsafe is asyncio.BaseEventLoop.call_soon_threadsafe
    )
    if is_asyncio_own:
        try:
            from fournil._native import wakers

            return PipeWaker(loop, function, wakers.Pipe())
        except (ImportError, OSError):
            pass  # in an interpreter beside the main one; or there is no descriptor left
    return LoopWaker(loop, function)
