"""The loops under test, and what their tests do with them again and again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

import fournil

Loop = asyncio.SelectorEventLoop
LoopFactory = Callable[[], asyncio.SelectorEventLoop]

LOOPS: dict[str, LoopFactory] = {
    "asyncio": asyncio.SelectorEventLoop,
    "fournil": fournil.EventLoop,
}


EARLY_3_11 = sys.version_info < (3, 11, 7)
"""Debian 12 has 3.11.2, of whose bugs some were mended later."""


def skip_bug_of_asyncio(loop: Loop, broken: bool, reason: str) -> None:
    """Skip a test on asyncio's loop where a release of CPython has a bug that others have not."""
    if broken and type(loop) is asyncio.SelectorEventLoop:
        pytest.skip(reason)


def run_turn(loop: Loop) -> None:
    """Run one turn of a loop: what is ready now, and nothing of what that makes ready."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def run_turns_until(loop: Loop, condition: Callable[[], object]) -> int:
    """Run a loop turn by turn until a condition holds; return how many turns it took."""
    turns = 0
    while not condition():
        run_turn(loop)
        turns += 1
    return turns


class Reports(list[dict[str, Any]]):
    """An exception handler that keeps what it is told."""

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.append(context)


def keep_awake(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop wake up every now and then, for as long as it runs.

    A signal that arrives just before a loop begins to wait is noticed at its end only: so it
    is with every program that waits by a system call.
    """
    loop.call_later(0.01, keep_awake, loop)
