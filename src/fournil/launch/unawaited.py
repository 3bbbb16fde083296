"""Tells the recorder of coroutines that were made and never awaited."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine
from typing import Any

# `warnings` counts no frame whose file is named so as a level of the stack.
UNCOUNTED_FILE = "<importlib._bootstrap>"


def tell(note: Callable[[Coroutine[Any, Any, Any]], None]) -> None:
    """Call `note` with each coroutine that is destroyed and was never awaited.

    The interpreter looks for a function in `warnings` when that happens, which warns of the
    line that was running; the program is warned as before.
    """
    warn = warnings._warn_unawaited_coroutine  # type: ignore[attr-defined]

    def note_and_warn(coroutine: Coroutine[Any, Any, Any]) -> None:
        note(coroutine)
        warn(coroutine)

    # The warning names a line by its distance on the stack, so this frame must not count.
    note_and_warn.__code__ = note_and_warn.__code__.replace(co_filename=UNCOUNTED_FILE)
    warnings._warn_unawaited_coroutine = note_and_warn  # type: ignore[attr-defined]
