"""Tests under pytest-asyncio run on the loop."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import fournil

def pytest_asyncio_loop_factories(config, item):
    return {"fournil": fournil.new_event_loop}
"""

TESTS = """
import asyncio
import fournil
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def started():
    loop = asyncio.get_running_loop()
    assert type(loop) is fournil.EventLoop
    task = asyncio.create_task(asyncio.sleep(3600))
    yield loop
    task.cancel()

async def test_the_loop(started):
    assert asyncio.get_running_loop() is started

async def test_timers_and_threads():
    await asyncio.sleep(0.001)
    assert await asyncio.to_thread(lambda: "done") == "done"

async def test_one_that_fails():
    await asyncio.sleep(0)
    assert False

@pytest.mark.asyncio(loop_scope="module")
async def test_a_loop_for_the_module():
    assert type(asyncio.get_running_loop()) is fournil.EventLoop
"""


def test_its_hook_for_loop_factories(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "filterwarnings = error\n"
    )
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=3, failed=1)
