"""What a benchmark is, and the registry of all of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from benchmarks import cases
from benchmarks.figures import CLIENT, OPERATION, SERVICE, Kind, Measurement
from benchmarks.plan import Settings


@dataclass(frozen=True)
class Case:
    """One coroutine, measured inside its process.

    Attributes:
        name: as given to --only and as stored.
        title: what one operation is, in the table.
        run: does that many operations on the running loop, and returns the seconds they took;
            what it sets up before and takes down after is not counted.
        kind: what is measured of it.
        default: whether it is measured without --all.
    """

    name: str
    title: str
    run: Callable[[int], Awaitable[float]]
    kind: Kind = OPERATION
    default: bool = True


class Load(Protocol):
    """What a service is measured by: a client that is not Python."""

    def missing(self) -> str | None:
        """Return why it cannot be run here; None: it can."""

    def run(self, server: Server, settings: Settings) -> Measurement:
        """Load the server for a while; raise MeasurementError if that fails."""


class Server(Protocol):
    """A server that runs, as a load sees it."""

    @property
    def address(self) -> str: ...

    @property
    def pid(self) -> int: ...


@dataclass(frozen=True)
class Service:
    """One server program, measured from outside by a load on another core.

    Attributes:
        name: as given to --only and as stored.
        title: in the table.
        server: a module of `servers/`.
        over: what it listens on: tcp, unix, udp or tls.
        load: what it is measured by.
        size: of a message, for a server that must know it.
        kind: what is measured of it.
        needs: distributions that the server imports.
        floor: whether the echo server in C can stand in for it.
        default: whether it is measured without --all.
    """

    name: str
    title: str
    server: str
    over: str
    load: Load
    size: int = 0
    kind: Kind = SERVICE
    needs: tuple[str, ...] = ()
    floor: bool = False
    default: bool = True


Ask = Callable[[], Awaitable[object]]
"""One operation of a client."""


@dataclass(frozen=True)
class Client:
    """Connections to a database server, from one process that is its own load.

    Attributes:
        name: as given to --only and as stored.
        title: what one operation is, in the table.
        backing: the server, one of `backing.BACKINGS`.
        connect: opens one connection to that port of 127.0.0.1.
        connections: how many ask at a time.
        kind: what is measured of it.
        needs: distributions that it imports.
        default: whether it is measured without --all.
    """

    name: str
    title: str
    backing: str
    connect: Callable[[int], AbstractAsyncContextManager[Ask]]
    connections: int
    kind: Kind = CLIENT
    needs: tuple[str, ...] = ()
    default: bool = True


AnyCase = Case | Service | Client


def all_cases() -> dict[str, AnyCase]:
    """Return the `CASE`, or the `CASES`, of each module in `cases/`, by name."""
    found: list[AnyCase] = []
    for info in pkgutil.iter_modules(cases.__path__):
        module = importlib.import_module(f"{cases.__name__}.{info.name}")
        found += [module.CASE] if hasattr(module, "CASE") else module.CASES
    return {case.name: case for case in found}
