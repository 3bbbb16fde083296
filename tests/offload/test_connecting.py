"""Pools whose workers must be waited for before they can be reached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fournil
from fournil.offload.call import Call
from tests.offload.functions import Run, double


class FarPool(fournil.ThreadPool):
    """A pool whose threads begin when it is connected, as those of another machine would.

    Args:
        problem: what is raised while it is connected.
    """

    def __init__(self, problem: Exception | None = None) -> None:
        super().__init__(workers=1)
        self.problem = problem
        self.connected = asyncio.Event()
        self.kept: list[Call[Any]] = []

    async def _connect(self) -> None:
        await self.connected.wait()
        if self.problem is not None:
            raise self.problem
        kept, self.kept = self.kept, []
        for call in kept:
            super()._submit(call)

    def _submit(self, call: Call[Any]) -> None:
        if self.connected.is_set():
            super()._submit(call)
        else:
            self.kept.append(call)


def test_who_enters_waits(run: Run) -> None:
    async def main() -> None:
        pool = FarPool()

        async def use() -> int:
            async with pool:
                return await pool.run(double, 4)

        using = asyncio.create_task(use())
        await asyncio.sleep(0)
        assert not pool._threads
        # Whoever does not enter has calls queued.
        early = pool.run(double, 5)
        pool.connected.set()
        assert await using == 8
        assert await early == 10

    run(main)


def test_one_that_cannot_be_reached_is_closed(run: Run) -> None:
    async def main() -> None:
        pool = FarPool(ConnectionRefusedError("nobody is there"))
        pool.connected.set()
        with pytest.raises(ConnectionRefusedError, match="nobody"):
            async with pool:
                raise AssertionError("it was entered")
        with pytest.raises(fournil.PoolClosedError):
            pool.run(double, 4)

    run(main)


def test_cancelled_while_it_waits(run: Run) -> None:
    async def main() -> None:
        pool = FarPool()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001), pool:
                raise AssertionError("it was entered")
        with pytest.raises(fournil.PoolClosedError):
            pool.run(double, 4)

    run(main)
