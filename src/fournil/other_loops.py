"""Notices loops that are not Fournil's while a recorder is on, which records nothing of them."""

from __future__ import annotations

import asyncio
import asyncio.events
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from fournil._native.core import LoopCore

ABOUT = (
    "a loop of another kind runs while a fournil.Recorder is on, and its steps are not recorded:"
    " {}. Run it by fournil.run(), asyncio.Runner(loop_factory=fournil.new_event_loop), or the"
    " whole program by `fournil run`"
)

PASSED_OVER = (os.path.dirname(asyncio.__file__), os.path.dirname(__file__))
"""The warning names the first line outside of these folders."""


class OtherLoops:
    """Warns of the first loop that is not Fournil's, running now or begun later.

    Each loop tells asyncio that it runs, by a function that is found anew each time.

    Args:
        note: called when one was found, before the warning.
    """

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note
        self._original = asyncio.events._set_running_loop
        self._hook: Any = self._make_hook()
        self._found = ""
        self._is_told = False

    def begin(self) -> None:
        asyncio.events._set_running_loop = self._hook
        self._see(asyncio._get_running_loop())

    def end(self) -> None:
        """Notice nothing any more; warn of what could not be warned of when it began."""
        if asyncio.events._set_running_loop is self._hook:
            asyncio.events._set_running_loop = self._original
        self._is_told, told = True, self._is_told
        if self._found and not told:
            self._warn()

    def _make_hook(self) -> Any:
        original = self._original

        def set_running_loop(loop: asyncio.AbstractEventLoop | None, /) -> None:
            original(loop)
            self._see(loop)

        # Ours calls this one: an interrupt in the hook would leave it running for ever.
        hook: Any = set_running_loop
        hook.for_ours = original
        return hook

    def _see(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is None or isinstance(loop, LoopCore) or self._found:
            return
        self._found = type(loop).__name__
        self._note()
        # Where warnings are errors, it is the recorder's end that raises, and no loop's begin.
        try:
            self._warn()
            self._is_told = True
        except RuntimeWarning:
            pass

    def _warn(self) -> None:
        level, frame = 1, sys._getframe(0)
        while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_OVER):
            level, frame = level + 1, frame.f_back
        warnings.warn(ABOUT.format(self._found), RuntimeWarning, stacklevel=level)
