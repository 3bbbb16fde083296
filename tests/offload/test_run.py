"""run: one call."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
import time
import weakref
from collections.abc import Callable

import pytest

import fournil
from tests.offload.functions import (
    Gate,
    Run,
    add,
    coroutine,
    double,
    fail,
    leave,
    stop_iterating,
)

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]


def test_what_it_is_called_in_messages(make: Callable[..., fournil.Pool]) -> None:
    one, two = make(workers=1), make(workers=2)
    assert repr(one) == f"<{type(one).__name__} of 1 worker>"
    assert repr(two) == f"<{type(one).__name__} of 2 workers>"


def test_a_result(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            assert await pool.run(double, 4) == 8
            assert await pool.run(add, 1, 2, more=3) == 6
            assert await pool.run(str) == ""

    run(main)


def test_an_exception(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(LookupError, match="no such thing") as caught:
                await pool.run(fail, "no such thing")
            assert any(entry.name == "fail" for entry in caught.traceback)
            assert await pool.run(double, 4) == 8

    run(main)


def test_an_exception_keeps_nothing_in_a_cycle(run: Run, make: Make) -> None:
    class Argument:
        pass

    def fail_with(_: object) -> None:
        raise LookupError

    async def main() -> None:
        async with make(workers=1) as pool:
            argument = Argument()
            gone = weakref.ref(argument)
            with contextlib.suppress(LookupError):
                await pool.run(fail_with, argument)
            del argument
            await pool.run(double, 1)
            assert gone() is None

    if make is not fournil.ThreadPool:
        return
    gc.disable()
    try:
        run(main)
    finally:
        gc.enable()


def test_stop_iteration(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(RuntimeError, match=r"stop_iterating\(\) raised StopIteration"):
                await pool.run(stop_iterating)

    run(main)


@pytest.mark.parametrize("kind", [GeneratorExit, asyncio.CancelledError])
def test_what_is_no_exception(run: Run, make: Make, kind: type[BaseException]) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(kind):
                await pool.run(leave, kind)
            assert await pool.run(double, 4) == 8

    run(main)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program(run: Run, make: Make, kind: type[BaseException]) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            await pool.run(leave, kind)

    with pytest.raises(kind):
        run(main)


def test_many_at_once(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=2) as pool:
            results = await asyncio.gather(*(pool.run(double, n) for n in range(5000)))
            assert results == [2 * n for n in range(5000)]
            statistics = pool.statistics()
            assert statistics.done == 5000
            assert statistics.queued == statistics.running == 0
            assert sum(worker.calls for worker in statistics.workers) == 5000

    run(main)


def test_the_loop_runs_meanwhile(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        gate = gates()
        async with make(workers=1) as pool:
            call = pool.run(gate.wait, "passed")
            await gate.until_reached()
            for _ in range(100):
                await asyncio.sleep(0)
            assert not call.done()
            gate.open()
            assert await call == "passed"

    run(main)


def test_as_many_as_workers_run_at_a_time(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=2) as pool:
            first = [gates() for _ in range(2)]
            calls = [pool.run(gate.wait) for gate in first]
            third = pool.run(double, 1)
            for gate in first:
                await gate.until_reached()
            statistics = pool.statistics()
            assert (statistics.running, statistics.queued) == (2, 1)
            assert {worker.running for worker in statistics.workers} == {"Gate.wait"}
            first[0].open()
            assert await third == 2
            first[1].open()
            await asyncio.gather(*calls)

    run(main)


def test_tasks_of_calls(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=2) as pool:
            assert await asyncio.create_task(pool.run(double, 1)) == 2
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(pool.run(double, n)) for n in range(10)]
            assert [task.result() for task in tasks] == [2 * n for n in range(10)]
            with pytest.raises(LookupError, match="told"):
                await asyncio.create_task(pool.run(fail, "told"))
            assert await asyncio.wait_for(pool.run(double, 1), 60) == 2
            assert await asyncio.shield(pool.run(double, 1)) == 2

    run(main)


def test_calls_as_futures(run: Run, make: Make, gates: Gates) -> None:
    """`asyncio.wait` alone wants a task of each, as of any coroutine: a call may be one's."""

    async def main() -> None:
        async with make(workers=2) as pool:
            gate = gates()
            held = asyncio.create_task(pool.run(gate.wait))
            first = asyncio.FIRST_COMPLETED
            _, pending = await asyncio.wait(
                {held, asyncio.create_task(pool.run(double, 1))}, return_when=first
            )
            assert pending == {held}
            assert (await asyncio.wait([held], timeout=0))[1] == {held}
            gate.open()
            await gate.until_reached()
            await held
            ended = [await call for call in asyncio.as_completed([pool.run(double, 2)])]
            ended += await asyncio.gather(pool.run(double, 3))
            assert ended == [4, 6]
            assert await asyncio.ensure_future(pool.run(double, 2)) == 4
            call = pool.run(double, 1)
            with pytest.raises(TypeError, match="use tasks explicitly"):
                await asyncio.wait([call])
            assert await call == 2

    run(main)


def test_the_timeline_of_a_call(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            before = time.perf_counter_ns()
            call = pool.run(time.sleep, 0.001)
            await call
            after = time.perf_counter_ns()
            moments = [call.queued_ns, call.began_ns, call.ended_ns, call.received_ns]
            assert [before, *moments, after] == sorted([before, *moments, after])
            assert call.ended_ns - call.began_ns >= 1_000_000
            assert call.worker == pool.statistics().workers[0].name

    run(main)


def test_a_coroutine_function(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(TypeError, match=r"coroutine\(\) is a coroutine function: await"):
                await pool.run(coroutine)  # type: ignore[unused-coroutine]

    run(main)


def test_what_cannot_be_called(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(TypeError, match="3 cannot be called"):
                await pool.run(3)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="missing 1 required positional argument"):
                await pool.run(double)  # type: ignore[call-arg]

    run(main)


@pytest.mark.parametrize("workers", [0, -1])
def test_a_pool_of_nobody(make: Make, workers: int) -> None:
    with pytest.raises(ValueError, match=f"at least one worker, got workers={workers}"):
        make(workers=workers)


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


def test_context_variables(run: Run) -> None:
    def look() -> tuple[str, str]:
        before = variable.get()
        variable.set("changed in a worker")
        return before, threading.current_thread().name

    async def main() -> None:
        async with fournil.ThreadPool(1, name="kitchen") as pool:
            variable.set("one")
            one = pool.run(look)
            variable.set("two")
            assert await one == ("one", "kitchen 1")
            assert (await pool.run(look))[0] == "two"
            assert variable.get() == "two"

    run(main)
