"""Makes each loop that a program gets from asyncio Fournil's, however it asks for it."""

from __future__ import annotations

import asyncio
import asyncio.unix_events
from typing import Any

from fournil.launch import foreign
from fournil.loop import EventLoop

ASYNCIO_LOOP = asyncio.SelectorEventLoop


def install() -> None:
    """Put Fournil's loop in the place of each other. Called before the program is loaded.

    Fournil's loop is a subclass of asyncio's, so a program that asks for the type of its loop,
    or makes a subclass of `asyncio.SelectorEventLoop`, finds what it expects.
    """
    for module in (asyncio, asyncio.unix_events):
        # SelectorEventLoop, EventLoop since CPython 3.13, and what they are called inside.
        for name, value in list(vars(module).items()):
            if value is ASYNCIO_LOOP:
                setattr(module, name, EventLoop)
    # asyncio.run, Runner and new_event_loop ask the policy. Its public name warns since
    # CPython 3.14; a policy of the program's own is most often a subclass of it.
    policy: Any = asyncio.unix_events._UnixDefaultEventLoopPolicy
    policy._loop_factory = EventLoop
    foreign.install()
