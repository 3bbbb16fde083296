"""Process of this program, and what becomes of pools in one that is forked from it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

# To ask the kernel for it would cost a tenth of a call.
process = os.getpid()

_methods: set[weakref.WeakMethod[Callable[[], None]]] = set()
"""Each change is one step of the interpreter: objects end in any thread."""


def when_forked(method: Callable[[], None]) -> None:
    """Have a bound method called once in a forked child, as long as its object is held."""
    _methods.add(weakref.WeakMethod(method, _methods.discard))


def _forked() -> None:
    global process
    process = os.getpid()
    methods: list[Any] = [held() for held in list(_methods)]
    _methods.clear()
    for method in methods:
        if method is not None:
            method()


os.register_at_fork(after_in_child=_forked)
