"""Cancelled calls: before they begin, while they run, and what the caller sees."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import pytest

import fournil
from tests.offload.functions import Gate, Marks, Run, busy, double

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]


def test_a_call_that_has_not_begun_never_runs(
    run: Run, make: Make, gates: Gates, marks: Marks
) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            async with busy(pool, gates()):
                calls = [pool.run(marks.add, n) for n in range(10)]
                for call in calls[::2]:
                    assert call.cancel()
                    assert call.cancelled()
            await asyncio.gather(*calls, return_exceptions=True)
            statistics = pool.statistics()
            assert (statistics.done, statistics.cancelled) == (6, 5)

    run(main)
    assert marks.read() == [1, 3, 5, 7, 9]


def test_a_task_that_waits_for_its_turn(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            async with busy(pool, gates()) as first:

                async def wait() -> None:
                    await pool.run(double, 1)

                task = asyncio.create_task(wait())
                await asyncio.sleep(0)
                task.cancel("enough")
                with pytest.raises(asyncio.CancelledError, match="enough"):
                    await task
                assert not first.done()

    run(main)


def test_a_timeout_before_it_begins(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            async with busy(pool, gates()) as first:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await pool.run(double, 1)
                assert not first.done()

    run(main)


def test_one_that_runs_is_awaited_out(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            gate = gates()

            async def wait() -> None:
                await pool.run(gate.wait, "dropped")

            task = asyncio.create_task(wait())
            await gate.until_reached()
            for _ in range(3):
                task.cancel("enough")
                await asyncio.sleep(0)
                assert not task.done()
            gate.open()
            with pytest.raises(asyncio.CancelledError, match="enough"):
                await task
            statistics = pool.statistics()
            assert (statistics.done, statistics.cancelled, statistics.abandoned) == (0, 1, 0)

    run(main)


def test_one_that_runs_is_abandoned_on_request(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(2, abandon_on_cancel=True) as pool:
            gate = gates()

            async def wait() -> None:
                await pool.run(gate.wait)

            task = asyncio.create_task(wait())
            await gate.until_reached()
            task.cancel("enough")
            with pytest.raises(asyncio.CancelledError, match="enough"):
                await task
            statistics = pool.statistics()
            assert (statistics.running, statistics.cancelled, statistics.abandoned) == (1, 1, 1)
            assert await pool.run(double, 4) == 8
            gate.open()
            while pool.statistics().running:
                await asyncio.sleep(0)
            statistics = pool.statistics()
            assert (statistics.done, statistics.cancelled, statistics.abandoned) == (1, 1, 1)

    run(main)


def test_an_error_of_one_that_is_awaited_out_is_not_lost(run: Run, gates: Gates) -> None:
    def work(gate: Gate) -> None:
        gate.wait()
        raise LookupError("while it was cancelled")

    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            gate = gates()
            task = asyncio.create_task(pool.run(work, gate))
            await gate.until_reached()
            task.cancel()
            gate.open()
            with pytest.raises(LookupError, match="while it was cancelled"):
                await task
            statistics = pool.statistics()
            assert (statistics.failed, statistics.cancelled) == (1, 0)

    run(main)


@pytest.mark.parametrize("told", [True, False])
def test_an_error_of_one_that_is_abandoned_is_reported(run: Run, gates: Gates, told: bool) -> None:
    reports: list[dict[str, object]] = []

    def work(gate: Gate) -> None:
        gate.wait()
        if told:
            fournil.check_cancelled()
        raise LookupError("nobody waits")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        async with fournil.ThreadPool(1, abandon_on_cancel=True) as pool:
            gate = gates()
            call = pool.run(work, gate)
            await gate.until_reached()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            gate.open()
            await pool.run(double, 1)
            assert pool.statistics().failed == 0

    run(main)
    # To raise the cancellation is what a function that asked does.
    assert [str(report["exception"]) for report in reports] == ([] if told else ["nobody waits"])


def test_one_that_is_awaited_out_by_a_timeout(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            gate = gates()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(None) as limit:
                    call = pool.run(gate.wait, "dropped")
                    await gate.until_reached()
                    limit.reschedule(0)
                    gate.open()
                    await call
            assert call.cancelled()

    run(main)


def test_a_function_may_ask(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            for method in ("wait_unless_cancelled", "raise_if_cancelled"):
                gate = gates()
                call = pool.run(getattr(gate, method))
                await gate.until_reached()
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            assert pool.statistics().cancelled == 2

    run(main)


def test_nobody_asks_outside_of_a_call() -> None:
    for ask in (fournil.cancelled, fournil.check_cancelled):
        with pytest.raises(RuntimeError, match="for functions that a pool runs"):
            ask()


def test_nothing_to_ask_about(run: Run) -> None:
    def ask() -> bool:
        fournil.check_cancelled()
        return fournil.cancelled()

    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            assert await pool.run(ask) is False

    run(main)


def test_a_call_that_is_done(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            call = pool.run(double, 4)
            assert await call == 8
            assert not call.cancel()
            assert pool.statistics().cancelled == 0

    run(main)


def test_the_others_of_a_group(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            async with busy(pool, gates()):
                with pytest.raises(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        for n in range(5):
                            group.create_task(pool.run(double, n))
                        await asyncio.sleep(0)
                        raise LookupError
                assert pool.statistics().cancelled == 5

    run(main)


@pytest.mark.parametrize("seed", range(5))
def test_at_random_moments(run: Run, make: Make, marks: Marks, seed: int) -> None:
    """Each call either ran and is counted, or never ran; none is lost, none comes twice."""
    rng = random.Random(seed)

    def work(number: int, seconds: float) -> int:
        time.sleep(seconds)
        marks.add(number)
        return number

    async def main() -> None:
        async with make(workers=2) as pool:

            async def one(number: int) -> int | None:
                try:
                    async with asyncio.timeout(rng.random() * 0.02):
                        return await pool.run(work, number, rng.random() * 0.0005)
                except TimeoutError:
                    return None

            for first in range(0, 300, 100):
                numbers = range(first, first + 100)
                results = await asyncio.gather(*map(one, numbers))
                so_far = marks.read()
                for number, result in zip(numbers, results, strict=True):
                    assert result in (number, None)
                    assert number in so_far or result is None
            ran = marks.read()
            statistics = pool.statistics()
            assert statistics.done + statistics.cancelled == 300
            assert statistics.queued == statistics.running == 0
            assert statistics.done <= len(ran) == len(set(ran))

    run(main)
