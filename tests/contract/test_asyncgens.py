"""Async generators: the loop closes those that nobody finished."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncGenerator

import pytest

from tests.contract.loops import Loop, LoopFactory, Reports


async def count(closed: list[str], name: str = "generator") -> AsyncGenerator[int, None]:
    try:
        for number in range(10):
            yield number
    finally:
        await asyncio.sleep(0)
        closed.append(name)


def test_a_generator_that_is_collected_is_closed(loop: Loop) -> None:
    closed: list[str] = []

    async def main() -> None:
        async for number in count(closed):
            if number == 2:
                break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert closed == ["generator"]


def test_shutdown_closes_those_that_are_left(loop: Loop) -> None:
    closed: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []

    async def main() -> None:
        for name in ("one", "other"):
            generator = count(closed, name)
            kept.append(generator)
            await anext(generator)

    loop.run_until_complete(main())
    assert closed == []
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert sorted(closed) == ["one", "other"]


def test_a_runner_closes_them(loop_factory: LoopFactory) -> None:
    closed: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []

    async def main() -> None:
        generator = count(closed)
        kept.append(generator)
        await anext(generator)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
        assert closed == []
    assert closed == ["generator"]


def test_one_that_fails_to_close_is_reported(loop: Loop) -> None:
    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise ValueError("while closing")

    loop.set_exception_handler(reports := Reports())
    generator = generate()

    async def main() -> None:
        await anext(generator)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    (report,) = reports
    assert report["asyncgen"] is generator
    assert str(report["exception"]) == "while closing"


def test_one_begun_after_the_shutdown_is_warned_of(loop: Loop) -> None:
    loop.run_until_complete(loop.shutdown_asyncgens())
    closed: list[str] = []

    async def main() -> None:
        generator = count(closed)
        await anext(generator)
        await generator.aclose()

    with pytest.warns(ResourceWarning, match=r"after loop.shutdown_asyncgens\(\) call"):
        loop.run_until_complete(main())


def test_the_interpreters_hooks_are_put_back(loop: Loop) -> None:
    def first(generator: object) -> None:
        pass

    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=first)
    try:
        loop.run_until_complete(asyncio.sleep(0))
        assert sys.get_asyncgen_hooks() == (first, None)
    finally:
        sys.set_asyncgen_hooks(*before)


def test_one_that_is_collected_when_its_loop_is_closed(loop: Loop) -> None:
    closed: list[str] = []

    async def main() -> None:
        generator = count(closed)
        await anext(generator)
        kept.append(generator)

    kept: list[AsyncGenerator[int, None]] = []
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    kept.clear()
    gc.collect()
    assert closed == ["generator"]
