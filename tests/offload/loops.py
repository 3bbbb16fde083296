"""The loops that pools are tested on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import fournil


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops that there are here, by name."""
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.SelectorEventLoop,
        "fournil": fournil.EventLoop,
    }
    try:
        import uvloop
    except ImportError:
        return found
    # The first one opens descriptors that it keeps until the process ends.
    uvloop.new_event_loop().close()
    return {**found, "uvloop": uvloop.new_event_loop}


LOOPS = loops()
