"""What only pools of interpreters do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
from collections.abc import Callable

import pytest

import fournil
from tests.offload.functions import (
    Gate,
    count_to,
    double,
    imports_what_is_native,
    log_without_end,
    place,
    squares_in,
    wait_for_ever,
)

NEW = sys.version_info >= (3, 14)
new = pytest.mark.skipif(not NEW, reason="new in 3.14")


@pytest.mark.skipif(NEW, reason="there are interpreters here")
def test_an_older_python_says_what_to_do() -> None:
    version = re.escape(sys.version.split()[0])
    with pytest.raises(
        fournil.PoolError, match=rf"needs CPython 3\.14 or newer, and this is {version}: use a Proc"
    ):
        fournil.InterpreterPool()


@new
def test_python_code_runs_side_by_side_in_one_process() -> None:
    async def main() -> None:
        async with fournil.InterpreterPool(workers=2) as pool:
            places = await asyncio.gather(*(pool.run(place) for _ in range(20)))
            assert len({process for process, _ in places}) == 1
            assert len({thread for _, thread in places}) == 2
            assert threading.get_ident() not in {thread for _, thread in places}

    fournil.run(main())


@new
def test_python_code_is_interrupted(gates: Callable[[], Gate]) -> None:
    gate = gates()

    async def main() -> None:
        async with fournil.InterpreterPool(workers=1) as pool:
            for _ in range(3):
                call = pool.run(wait_for_ever, gate)
                await gate.until_reached()
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                # Its `finally` ran, and the worker goes on.
                assert await pool.run(double, 4) == 8
            assert len(pool.statistics().workers) == 1

    fournil.run(main())


@new
def test_cancelled_at_any_moment() -> None:
    async def main() -> None:
        async with fournil.InterpreterPool(workers=2) as pool:
            ended = 0
            for number in range(300):
                call = pool.run(count_to, 20_000)
                if number % 3 == 0:
                    await asyncio.sleep(number % 7 / 5000)
                    call.cancel()
                try:
                    assert await call == 20_000
                except asyncio.CancelledError:
                    ended += 1
                assert await pool.run(double, number) == 2 * number
            assert 0 < ended <= 100
            assert pool.statistics().cancelled == ended

    fournil.run(main())


@new
def test_a_module_that_no_interpreter_may_import() -> None:
    async def main() -> None:
        async with fournil.InterpreterPool(workers=1) as pool:
            with pytest.raises(ImportError, match="main interpreter") as caught:
                await pool.run(imports_what_is_native)
            assert "(raised in fournil interpreter 1" in "".join(caught.value.__notes__)
            assert await pool.run(double, 4) == 8

    fournil.run(main())


@new
def test_pools_in_an_interpreter() -> None:
    async def main() -> None:
        async with fournil.InterpreterPool(workers=1) as pool:
            assert await pool.run(squares_in, "ProcessPool", 5) == [0, 1, 4, 9, 16]
            # Python lets no thread begin there that need not end with it.
            with pytest.raises(fournil.PoolError, match="no thread could be started"):
                await pool.run(squares_in, "ThreadPool", 5)

    fournil.run(main())


@new
def test_many_pools_leave_nothing() -> None:
    async def main() -> None:
        for _ in range(5):
            async with fournil.InterpreterPool(workers=2) as pool:
                assert [r async for r in pool.map(double, range(10))] == [2 * n for n in range(10)]

    fournil.run(main())
    interpreters = pytest.importorskip("concurrent.interpreters")
    assert len(interpreters.list_all()) == 1


@new
def test_interrupted_while_it_logs(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with fournil.InterpreterPool(workers=1) as pool:
            for number in range(100):
                call = pool.run(log_without_end, number)
                await asyncio.sleep(number % 10 / 1000)
                call.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await call
                assert await pool.run(double, number) == 2 * number

    with caplog.at_level("INFO"):
        fournil.run(main())
    assert {record.name for record in caplog.records} == {"baker"}
