"""Objects that raise what nobody expects while they travel; workers import this."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

from fournil._worker import running

if TYPE_CHECKING:
    from tests.offload.functions import Gate


VARIABLE: ContextVar[Any] = ContextVar("VARIABLE")


class Own(BaseException):
    """One that no library knows."""


class Biter:
    """Raises when it is pickled or unpickled, on one side.

    Args:
        when: "pickled" or "unpickled".
        side: "worker" or "program".
        error: what it raises.
    """

    def __init__(self, when: str, side: str, error: type[BaseException]) -> None:
        self.when = when
        self.side = side
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        if self.when == "unpickled":
            return bite, (self.side, self.error)
        bite(self.side, self.error)
        return type(self), (self.when, self.side, self.error)


def bite(side: str, error: type[BaseException]) -> str:
    if side == ("worker" if running.is_worker else "program"):
        raise error("bitten")
    return "harmless"


class BitingError(Exception):
    """An exception that raises when it is pickled or unpickled."""

    def __init__(self, when: str, side: str, error: type[BaseException]) -> None:
        super().__init__("the text")
        self.when = when
        self.side = side
        self.error = error

    __reduce__ = Biter.__reduce__


class UntouchableError(Exception):
    """An exception that raises wherever it is touched, but for being pickled."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__reduce__", "__reduce_ex__"):
            return object.__getattribute__(self, name)
        raise SystemExit(name)

    def __setattr__(self, name: str, value: object) -> None:
        raise SystemExit(name)

    def __str__(self) -> str:
        raise SystemExit("str")

    def __eq__(self, other: object) -> bool:
        raise SystemExit("eq")

    __repr__ = __str__

    def __hash__(self) -> int:
        raise SystemExit("hash")

    def __bool__(self) -> bool:
        raise SystemExit("bool")

    def __reduce__(self) -> tuple[Any, ...]:
        return UntouchableError, ("made",)


class EndlessError(Exception):
    """An exception that never ends being pickled."""

    def __init__(self, gate: Gate) -> None:
        super().__init__("endless")
        self.gate = gate

    def __reduce__(self) -> NoReturn:
        say_and_wait(self.gate)


class Endless:
    """An object that never ends being pickled in a worker."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def __reduce__(self) -> Any:
        if running.is_worker:
            say_and_wait(self.gate)
        return Endless, (self.gate,)


def say_and_wait(gate: Gate) -> NoReturn:
    gate.reached.open("wb").close()
    while True:
        time.sleep(0.001)


def give(when: str, side: str, error: type[BaseException]) -> Biter:
    return Biter(when, side, error)


def fail(when: str, side: str, error: type[BaseException]) -> NoReturn:
    raise BitingError(when, side, error)


def log(when: str, side: str, error: type[BaseException]) -> str:
    logging.getLogger("biters").warning("said", extra={"biter": Biter(when, side, error)})
    return "logged"


def take(value: object) -> object:
    return value if isinstance(value, str) else "taken"


def touch_not() -> NoReturn:
    raise UntouchableError


def fail_endlessly(gate: Gate) -> NoReturn:
    raise EndlessError(gate)


def give_endless(gate: Gate) -> Endless:
    return Endless(gate)
