"""What programs put in the place of asyncio's parts, and how a loop comes to use that.

The core runs turns without asking anybody. Where a program replaced something that asyncio's loop
calls in each turn, turns are run part by part, so that the replacement is called; where it replaced
a method of asyncio's loop that the core has as well, the loop is given the program's.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.events
import functools
import selectors
import sys
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fournil._loop.executor_calls import ExecutorCalls
from fournil._native.core import LoopCore

if TYPE_CHECKING:
    from fournil._native.poller import Poller

# Methods of asyncio's loop that ours has as well, and whose originals work on ours too; each with
# the class that has ours.
TAKEN_OVER: dict[str, type] = {
    "_run_once": LoopCore,
    "call_at": LoopCore,
    "call_later": LoopCore,
    "call_soon": LoopCore,
    "call_soon_threadsafe": LoopCore,
    "create_future": LoopCore,
    "create_task": LoopCore,
    "run_in_executor": ExecutorCalls,
    "time": LoopCore,
}


def is_patched(owner: type, name: str) -> bool:
    """Tell whether a method of a class of asyncio's is somebody else's by now."""
    # `functools.wraps` copies all that names a function, and not where it looks up names; what
    # wraps it as an object may have all attributes of what it wraps.
    function = getattr(owner, name)
    own = vars(sys.modules[owner.__module__])
    return type(function) is not FunctionType or function.__globals__ is not own


def _call_patched(loop: asyncio.BaseEventLoop, name: str, *args: Any, **options: Any) -> Any:
    """Call a method of asyncio's loop that is somebody else's; the core's, once it is not."""
    owner = asyncio.BaseEventLoop if is_patched(asyncio.BaseEventLoop, name) else type(loop)
    return getattr(owner, name)(loop, *args, **options)


class Patches(asyncio.SelectorEventLoop):
    """How the core asks what was replaced; it does so when a class of asyncio's changes."""

    if TYPE_CHECKING:
        # Of the core and of asyncio's half, which type stubs leave out.
        _selector: selectors.BaseSelector

        @property
        def _poller(self) -> Poller: ...
        def _run_once(self) -> None: ...
        def _process_events(self, events: object) -> None: ...

    def _follow_patches(self) -> tuple[bool, bool, bool, bool]:
        """Take over what was replaced; return what the core has to leave to others.

        That is: whole turns; the parts of turns; of these, the runs of handles, and the wait.
        """
        own = vars(self)
        followed: dict[str, Callable[..., Any]] = own.setdefault("_followed_patches", {})
        for name, owner in TAKEN_OVER.items():
            if own.get(name) is not followed.get(name):
                continue  # the program's own, of this loop alone
            patched = is_patched(asyncio.BaseEventLoop, name)
            if patched and getattr(type(self), name) is getattr(owner, name):
                own[name] = followed[name] = functools.partial(_call_patched, self, name)
            elif name in followed:
                del own[name], followed[name]
        handles = is_patched(asyncio.events.Handle, "_run")
        kind: Any = type(self)
        turns = "_run_once" in own or kind._run_once is not LoopCore._run_once
        foreign = getattr(self._selector, "_poller", None) is not self._poller
        parts = (
            handles
            or foreign
            or "select" in vars(self._selector)
            or "_process_events" in own
            or kind._process_events is not LoopCore._process_events
        )
        return turns, parts, handles, foreign

    def _tell_selector(self, before: int, now: int) -> None:
        """Have a selector of the program's own wait for the poller's descriptor."""
        if before >= 0:
            self._selector.unregister(before)
        self._selector.register(now, selectors.EVENT_READ)
