"""The types of calls, as type checkers infer them: what is wrong here fails `make check`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import assert_type

import fournil
from tests.offload.functions import Run, add, double


def join(words: list[str], *, by: str = " ") -> str:
    return by.join(words)


async def numbers() -> AsyncIterator[int]:
    yield 1


def test_types(run: Run) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            assert_type(pool, fournil.ThreadPool)
            assert_type(await pool.run(double, 1), int)
            assert_type(await pool.run(join, ["a"], by="-"), str)
            assert_type(await fournil.to_thread(join, ["a"]), str)
            assert_type([r async for r in pool.map(double, [1])], list[int])
            assert_type([r async for r in pool.map(double, numbers())], list[int])
            assert_type([r async for r in pool.map(add, [1], numbers())], list[int])
            assert_type([r async for r in pool.map(partial(join, by="-"), [["a"]])], list[str])
            assert_type(await asyncio.gather(pool.run(double, 1), pool.run(str)), tuple[int, str])
            assert_type(await asyncio.wait_for(pool.run(double, 1), 60), int)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(pool.run(double, 1))
            assert_type(task.result(), int)

    run(main)


def test_wrong_types() -> None:
    """An `ignore` that is not needed is an error: each of these is found by the checker."""

    def never_run(pool: fournil.Pool) -> None:
        pool.run(double, "1")  # type: ignore[arg-type]
        pool.run(double)  # type: ignore[call-arg]
        pool.run(join, ["a"], to="-")  # type: ignore[call-arg]
        pool.map(double, ["a"])  # type: ignore[arg-type]

    assert callable(never_run)
