"""The contenders: each event loop and the floor, how to get it, and why it may be missing."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks.load.compiled import why_not_compiled

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@dataclass(frozen=True)
class Loop:
    """One contender.

    Attributes:
        name: as given to --loops and as stored.
        distribution: what is installed to have it; empty for the standard library.
        factory: where its loop's constructor is, as "module:attribute"; empty for a program.
        oldest_python: it runs on this one and newer.
        around: a context manager that is entered around the measurement.
        over: the loop that this one adds something to; what it adds is reported.
        program: a compiled server, the floor of the services that it can stand in for; it runs
            no coroutine.
        default: whether it is measured when --loops does not name it.
    """

    name: str
    distribution: str
    factory: str
    oldest_python: tuple[int, int] = (3, 11)
    around: str = ""
    over: str = ""
    program: str = ""
    default: bool = True

    def missing(self) -> str | None:
        """Return why this loop cannot be measured here; None: it can."""
        if sys.version_info[:2] < self.oldest_python:
            needs, found = (
                ".".join(map(str, v)) for v in (self.oldest_python, sys.version_info[:2])
            )
            return f"needs CPython {needs} or newer, this is {found}"
        if self.program:
            return why_not_compiled(self.program)
        if importlib.util.find_spec(self.factory.partition(":")[0]) is None:
            return f"{self.distribution} is not installed"
        return None

    def load(self) -> LoopFactory:
        factory: LoopFactory = attribute(self.factory)
        return factory

    def surroundings(self) -> AbstractContextManager[object]:
        if not self.around:
            return nullcontext()
        made: AbstractContextManager[object] = attribute(self.around)()
        return made


def recorder_without_watch() -> AbstractContextManager[object]:
    recorder: AbstractContextManager[object] = attribute("fournil:Recorder")(watch=False)
    return recorder


def attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


LOOPS = {
    loop.name: loop
    for loop in (
        Loop("uvloop", "uvloop", "uvloop:new_event_loop"),
        Loop("asyncio", "", "asyncio:SelectorEventLoop"),
        Loop("rloop", "rloop", "rloop:new_event_loop"),
        Loop("zuvloop", "zuvloop", "zuvloop:new_event_loop", oldest_python=(3, 14)),
        Loop("fournil", "fournil", "fournil:new_event_loop"),
        Loop(
            "fournil+recorder",
            "fournil",
            "fournil:new_event_loop",
            around="benchmarks.loops:recorder_without_watch",
            over="fournil",
            default=False,
        ),
        Loop(
            "fournil+recording",
            "fournil",
            "fournil:new_event_loop",
            around="fournil:Recorder",
            over="fournil",
        ),
        Loop("epoll-c", "", "", program="epoll_echo"),
        Loop("uring-c", "", "", program="uring_echo", default=False),
    )
}

BASELINE = "uvloop"
