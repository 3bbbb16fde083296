"""A loop's selector: a view of its poller, or one of the program's own.

The loop itself waits by the poller. asyncio's own code, monitors and tests look into the selector;
programs that run a loop by hand, as nest_asyncio does, wait by it; and some bring their own, as
gevent does, whose selector lets its other greenlets run.
"""

from __future__ import annotations

import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fournil._native.core import LoopCore

Reported = list[tuple[selectors.SelectorKey, int]]


class PollerView(selectors.BaseSelector):
    """The loop's poller as a selector."""

    def __init__(self, loop: LoopCore) -> None:
        self._loop = loop
        self._poller = loop._poller

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "select" and hasattr(self._loop, "_selector"):
            self._loop._selector = self  # it is a program's own now

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        known_as, fd, reader, writer = self._poller.registration(fileobj)
        if reader is None and writer is None:
            raise KeyError(f"{fileobj!r} is not registered")
        events = (selectors.EVENT_READ if reader is not None else 0) | (
            selectors.EVENT_WRITE if writer is not None else 0
        )
        return selectors.SelectorKey(known_as, fd, events, (reader, writer))

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {fd: self.get_key(fd) for fd in self._poller.watched_fds()}

    def fileno(self) -> int:
        return self._poller.fileno()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        raise RuntimeError(
            "the loop's selector is only a view; use loop.add_reader() and loop.add_writer()"
        )

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        raise RuntimeError(
            "the loop's selector is only a view; use loop.remove_reader() and loop.remove_writer()"
        )

    def select(self, timeout: float | None = None) -> Reported:
        """Wait for what the loop waits for, make its handles ready, and say what came."""
        return [
            (selectors.SelectorKey(fd, fd, events, None), events)
            for fd, events in self._loop._look(timeout)
        ]


def foreign_selector(
    given: selectors.BaseSelector | None,
) -> selectors.BaseSelector | None:
    """Return the selector that a loop is to ask; None where it waits by its poller.

    One of the standard library's would wait for the same as the poller does.
    """
    if given is None:
        if selectors.DefaultSelector.__module__ == "selectors":
            return None
        return selectors.DefaultSelector()  # as gevent's, which runs its other greenlets
    return None if type(given).__module__ == "selectors" else given
