"""A descriptor of ours that a loop watches."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from errno import EBADF
from typing import Any


class Watched:
    """Has a loop call a function when a descriptor is readable, until `end`; of the loop's thread.

    Who closes the descriptor behind it and has the loop watch its number for something else has
    taken the loop's entry: it is not ended then. What the loop calls is held by the loop alone, so
    that it is gone when another has taken its place.

    Args:
        loop: the loop.
        descriptor: the descriptor; closed by its owner, after `end`.
        readable: a bound method, which nobody else holds.

    Raises:
        OSError: it cannot be watched.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, descriptor: int, readable: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._descriptor = descriptor
        self._write: Callable[[], None] | None = None
        self._writer: weakref.ref[Any] | None = None
        self._reader: weakref.ref[Any] | None = weakref.ref(readable)
        try:
            # The number was free: what the loop may still know under it was closed behind it. As
            # asyncio's loop sees it, to wait for the same of another file were no change.
            loop.remove_reader(descriptor)
            loop.remove_writer(descriptor)
            loop.add_reader(descriptor, readable)
        except RuntimeError as error:
            raise OSError(EBADF, str(error)) from error  # it was a transport's

    def when_writable(self, write: Callable[[], None]) -> None:
        """Have a function called once, when the descriptor takes more."""
        if self._writer is None:
            writable = self._writable
            self._writer = weakref.ref(writable)
            self._loop.add_writer(self._descriptor, writable)
        self._write = write

    def _writable(self) -> None:
        write = self._write
        self._end(self._writer, self._loop.remove_writer)
        self._writer = self._write = None
        if write is not None:
            write()

    def end(self) -> None:
        """Have nothing called any more."""
        self._end(self._reader, self._loop.remove_reader)
        self._end(self._writer, self._loop.remove_writer)
        self._reader = self._writer = self._write = None

    def end_in_child(self) -> None:
        """As `end`, in a forked child, once the descriptor is closed there.

        A loop's epoll is one for both: that a closed number is to be watched no more it takes for
        an error, and goes on to watch for the parent.
        """
        if threading.get_ident() == self._thread:
            self.end()

    def _end(self, held: weakref.ref[Any] | None, remove: Callable[[int], object]) -> None:
        if held is None or held() is None or self._loop.is_closed():
            return
        try:
            remove(self._descriptor)
        except RuntimeError:
            pass  # a transport has the number now
