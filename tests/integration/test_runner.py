"""asyncio's own ways to say which loop to use."""

from __future__ import annotations

import asyncio
import sys
import unittest
from collections.abc import Callable
from typing import Any

import pytest

import fournil


async def which_loop() -> type:
    return type(asyncio.get_running_loop())


def test_runner() -> None:
    with asyncio.Runner(loop_factory=fournil.new_event_loop) as runner:
        assert runner.run(which_loop()) is fournil.EventLoop
    with asyncio.Runner(loop_factory=fournil.EventLoop) as runner:
        assert runner.run(which_loop()) is fournil.EventLoop


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_run() -> None:
    run: Callable[..., Any] = asyncio.run
    assert run(which_loop(), loop_factory=fournil.new_event_loop) is fournil.EventLoop


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in 3.13")
def test_unittest() -> None:
    class Case(unittest.IsolatedAsyncioTestCase):
        loop_factory = fournil.EventLoop

        async def test(self) -> None:
            assert await which_loop() is fournil.EventLoop

    result = unittest.TestResult()
    Case("test").run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_an_own_loop() -> None:
    loop = fournil.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        assert asyncio.get_event_loop() is loop
        assert loop.run_until_complete(which_loop()) is fournil.EventLoop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
