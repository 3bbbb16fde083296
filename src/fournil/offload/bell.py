"""How workers in other threads have a loop look at what they ended."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable


class Bell:
    """Has a loop call a function soon, when it is rung in any thread.

    Who rings it says so before, by `hold`, and says when it will not any more, by `let_go`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        self.loop = loop
        self.function = function

    def ring(self) -> bool:
        """Have the function called; return False if the loop is closed."""
        try:
            self.loop.call_soon_threadsafe(self.function)
        except RuntimeError:
            return False
        return True

    def hold(self) -> None:
        """Be going to ring."""

    def let_go(self) -> None:
        """Ring no more."""

    def close(self) -> None:
        """Have the loop listen no more: in its thread, or when nobody uses the bell there."""


class DescriptorBell(Bell):
    """One that asyncio's own loop hears in half the time.

    Its `call_soon_threadsafe` sends a byte through a socket, which it then reads until there is
    none, and calls the function in the turn after that. A reader is called as soon as it is read.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        super().__init__(loop, function)
        self.thread = threading.get_ident()
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.lock = threading.Lock()
        self.holders = 1  # the loop; under the lock
        self.closed = False
        loop.add_reader(self.descriptor, self.answer)

    def ring(self) -> bool:
        if self.loop.is_closed():
            return False
        os.eventfd_write(self.descriptor, 1)
        return True

    def answer(self) -> None:
        os.eventfd_read(self.descriptor)
        self.function()

    def hold(self) -> None:
        with self.lock:
            self.holders += 1

    def let_go(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders:
                return
        # Only now: what is written to a closed descriptor's number reaches whoever has it next.
        os.close(self.descriptor)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if threading.get_ident() == self.thread:
            self.leave()
            return
        # Of a pool that was thrown away, by the collector in another thread.
        try:
            self.loop.call_soon_threadsafe(self.leave)
        except RuntimeError:
            self.let_go()  # a closed loop has no readers

    def leave(self) -> None:
        self.loop.remove_reader(self.descriptor)
        self.let_go()


def bell_for(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> Bell:
    """Return the bell that the loop hears soonest."""
    is_asyncio_own = (
        isinstance(loop, asyncio.SelectorEventLoop)
        and type(loop).call_soon_threadsafe is asyncio.BaseEventLoop.call_soon_threadsafe
    )
    return (DescriptorBell if is_asyncio_own else Bell)(loop, function)
