"""What goes to other processes by its name: a worker must find it there."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from contextvars import ContextVar
from typing import Any

from tests.offload.functions import Gate

OWN_NAME: ContextVar[str] = ContextVar("OWN_NAME", default="nobody")


class Oven:
    def __init__(self) -> None:
        self.degrees = 200

    def read(self) -> int:
        return self.degrees


def refuse_outside(where: int, made: int) -> int:
    if os.getpid() != made:
        raise LookupError("not in this process")
    return where


class TooManyArgumentsError(Exception):
    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


_kept: list[Any] = []


def keep(value: Any) -> None:
    """Keep an object in the worker."""
    _kept.append(value)


def look() -> list[bytes]:
    """Return how each object begins that is kept."""
    return [bytes(value[:3]) for value in _kept]


def let_go() -> None:
    """Keep nothing any more."""
    _kept.clear()


def segfault() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.kill(os.getpid(), signal.SIGABRT)


def ignore_interrupts(gate: Gate) -> None:
    reached = False
    while True:
        try:
            if not reached:
                reached = True
                gate.reached.open("wb").close()
            time.sleep(60)
        except asyncio.CancelledError:
            pass
