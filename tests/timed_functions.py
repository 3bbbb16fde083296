"""Functions that are timed, one of each sort, and what they print."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator

import pytest

from fournil import timed

TIME = re.compile(r"\d+\.\d{4} s")

Lines = Callable[[], list[str]]


def reader(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return what reads the lines printed since, with each time written as `T`."""

    def read() -> list[str]:
        return [TIME.sub("T", line) for line in capsys.readouterr().out.splitlines()]

    return read


class Oven:
    """Has one timed method of each sort."""

    @timed
    def bake(self, what: str, *, minutes: int = 40) -> str:
        return what

    @timed
    async def heat(self, degrees: int) -> int:
        return degrees

    @classmethod
    @timed
    def below(cls, size: int) -> Oven:
        return cls()

    @timed
    @classmethod
    def above(cls, size: int) -> Oven:
        return cls()

    @timed
    @staticmethod
    def static_above(size: int) -> int:
        return size

    @staticmethod
    @timed
    def static_below(size: int) -> int:
        return size


@timed
async def delay(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@timed
def add(first: int, second: int = 2) -> int:
    return first + second


@timed()
def count(to: int) -> Iterator[int]:
    yield from range(to)


@timed()
async def acount(to: int) -> AsyncIterator[int]:
    for number in range(to):
        await asyncio.sleep(0)
        yield number


@timed
def echo() -> Generator[object, object, str]:
    """Yields what it is sent, and the name of what is thrown in."""
    got: object = "ready"
    while got is not None:
        try:
            got = yield got
        except ValueError as error:
            got = f"caught {error}"
    return "done"


@timed
async def aecho() -> AsyncGenerator[object, object]:
    got: object = "ready"
    while got is not None:
        try:
            got = yield got
        except ValueError as error:
            got = f"caught {error}"


class Suspended:
    """Awaiting it suspends for ever."""

    def __await__(self) -> Generator[None]:
        while True:
            yield


@timed
def add_all(*values: object) -> None:
    pass
