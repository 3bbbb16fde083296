"""A thread that has pools look after their calls, while a timer of their loop would cost too much.

A timer that is pending makes each turn of a loop compute when it is due, and has the kernel set a
clock: a tenth of a hop to a process. So where calls come one after the other the time is kept
outside of the loop, by one thread for all pools of the process. It begins with the first such pool
and ends with the last: a process that is about to fork is not to have threads for nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue

TICK_S = 0.2
"""A pool is asked to look after its calls so often."""


class Registration:
    """A pool that is asked to look after its calls, until `end`.

    `asked` is written by the thread before it asks, and by the loop's thread when it is about to
    look: a loop that is long at one step is asked once.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, look: weakref.WeakMethod[Callable[[], None]]
    ) -> None:
        self._loop = loop
        self._look = look
        self._asked = False

    def ask(self) -> bool:
        """Have the loop call the function, soon; return False if nothing is to be asked again."""
        if self._look() is None:
            return False
        if not self._asked:
            self._asked = True
            try:
                self._loop.call_soon_threadsafe(self._call)
            except RuntimeError:
                return False  # closed
        return True

    def _call(self) -> None:
        self._asked = False
        look = self._look()
        if look is not None and self in _registered:
            look()

    def end(self) -> None:
        """Ask no more; in any thread, and in the midst of anything, as a finalizer is."""
        _registered.discard(self)
        if not _registered:
            _news.put(None)


_registered: set[Registration] = set()
"""Each change is one step of the interpreter; what is added, under the lock alone."""

_news: SimpleQueue[None] = SimpleQueue()
"""Wakes the thread when it has nothing more to do; may be put to by finalizers."""

_lock = threading.Lock()
"""Held to add a pool, and by the thread to find that there is none and end."""

_is_running = False
"""Whether there is a thread that sees what is added; under the lock."""


def begin(
    loop: asyncio.AbstractEventLoop, look: weakref.WeakMethod[Callable[[], None]]
) -> Registration | None:
    """Have a loop call a function again and again; return None where no thread can be had."""
    global _is_running
    made = Registration(loop, look)
    with _lock:
        _registered.add(made)
        if not _is_running:
            try:
                threading.Thread(target=_run, name="fournil watchdog", daemon=True).start()
            except (RuntimeError, MemoryError):
                # There is no room for one, or this is an interpreter beside the main one.
                _registered.discard(made)
                return None
            _is_running = True
    return made


def _run() -> None:
    global _is_running
    while True:
        try:
            _news.get(timeout=TICK_S)
        except Empty:
            pass
        for registration in list(_registered):
            if not registration.ask():
                _registered.discard(registration)
        with _lock:
            if not _registered:
                _is_running = False
                return


def _forked() -> None:
    global _lock, _is_running, _news
    _registered.clear()
    _lock = threading.Lock()
    _news = SimpleQueue()
    _is_running = False


os.register_at_fork(after_in_child=_forked)
