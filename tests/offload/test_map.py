"""map: many calls, a bounded number in flight."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

import fournil
from tests.offload.functions import Gate, Run, add, double, fail_at, in_a_thread

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]


async def counting(until: int | None = None) -> AsyncIterator[int]:
    for number in itertools.count() if until is None else range(until):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("source", [range, counting], ids=["iterable", "async iterable"])
@pytest.mark.parametrize("count", [0, 1, 5, 500])
def test_all_results(run: Run, make: Make, ordered: bool, source: Any, count: int) -> None:
    async def main() -> None:
        async with make(workers=2) as pool:
            results = [r async for r in pool.map(double, source(count), ordered=ordered)]
            assert (results if ordered else sorted(results)) == [2 * n for n in range(count)]

    run(main)


def test_several_iterables(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=2) as pool:
            assert [r async for r in pool.map(add, [1, 2, 3], [10, 20])] == [11, 22]
            assert [r async for r in pool.map(add, counting(), range(3))] == [0, 2, 4]
            assert [r async for r in pool.map(partial(add, more=5), (1, 2))] == [6, 7]

    run(main)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["iterable", "async iterable"])
def test_endless_items(run: Run, make: Make, ordered: bool, kind: str) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async def items_async() -> AsyncIterator[int]:
        for item in items():
            yield item

    async def main() -> None:
        async with make(workers=2) as pool:
            source: Any = items() if kind == "iterable" else items_async()
            count = 0
            async for _ in pool.map(double, source, ordered=ordered, in_flight=7):
                count += 1
                assert taken <= count + 8
                if count == 100:
                    break

    run(main)


def test_results_come_in_the_order_of_their_items(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        one, two = gates(), gates()
        async with make(workers=2) as pool:
            results = pool.map(lambda pair: pair[0].wait(pair[1]), [(one, 1), (two, 2)])
            first = asyncio.ensure_future(anext(results))
            await one.until_reached()
            await two.until_reached()
            two.open()
            while pool.statistics().done < 1:
                await asyncio.sleep(0)
            assert not first.done()
            one.open()
            assert await first == 1
            assert [r async for r in results] == [2]

    run(main)


def test_results_come_as_they_are_there(run: Run, make: Make, gates: Gates) -> None:
    async def main() -> None:
        one, two = gates(), gates()
        async with make(workers=2) as pool:
            calls = [(one, 1), (two, 2)]
            results = pool.map(lambda pair: pair[0].wait(pair[1]), calls, ordered=False)
            first = asyncio.ensure_future(anext(results))
            await one.until_reached()
            await two.until_reached()
            two.open()
            assert await first == 2
            one.open()
            assert [r async for r in results] == [1]

    run(main)


@pytest.mark.parametrize("ordered", [True, False])
def test_to_leave_early_cancels_what_is_in_flight(run: Run, make: Make, ordered: bool) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            async for _ in pool.map(double, range(1000), ordered=ordered, in_flight=100):
                break
            statistics = pool.statistics()
            # At once, not when the collector or the loop comes to it.
            assert statistics.queued == 0
            assert statistics.cancelled + statistics.done + statistics.running <= 100
        statistics = pool.statistics()
        assert statistics.done + statistics.cancelled == 100

    run(main)


def test_results_that_are_let_go_of_in_another_thread(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            gate = gates()
            holder = [pool.map(lambda item: item and gate.wait(), range(100), in_flight=10)]
            assert await anext(holder[0]) == 0
            await gate.until_reached()
            assert pool.statistics().queued == 8
            await in_a_thread(holder.clear)
            while pool.statistics().queued:
                await asyncio.sleep(0)
            gate.open()
        assert pool.statistics().cancelled == 9

    run(main)


def test_results_that_outlive_the_loop(make: Make) -> None:
    async def main() -> Any:
        pool = make(workers=1)
        results = pool.map(double, range(100), in_flight=10)
        assert await anext(results) == 0
        while pool.statistics().done < 10:
            await asyncio.sleep(0)
        return pool, results

    kept = list(asyncio.run(main()))
    kept.pop()
    with pytest.warns(ResourceWarning, match="was never closed"):
        kept.clear()


def test_aclose_waits_for_what_runs(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            gate = gates()
            results = pool.map(lambda item: gate.wait() if item else None, [False, True, False])
            async with contextlib.aclosing(results):
                assert await anext(results) is None
                await gate.until_reached()
                gate.open()
            assert pool.statistics().running == 0
            with pytest.raises(StopAsyncIteration):
                await anext(results)

    run(main)


@pytest.mark.parametrize("ordered", [True, False])
def test_the_first_that_fails_ends_it(run: Run, make: Make, ordered: bool) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            results = pool.map(partial(fail_at, at=3), range(1000), ordered=ordered, in_flight=50)
            got = []
            with pytest.raises(LookupError, match="3"):
                async for result in results:
                    got.append(result)
            assert got == [0, 1, 2]
            with pytest.raises(StopAsyncIteration):
                await anext(results)
            statistics = pool.statistics()
            assert statistics.failed == 1
            assert statistics.queued == statistics.running == 0

    run(main)


def test_several_that_fail_are_told_once(run: Run, make: Make) -> None:
    reports: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
        async with make(workers=2) as pool:
            with pytest.raises(ZeroDivisionError):
                async for _ in pool.map(lambda number: 1 // number, [0] * 20, in_flight=20):
                    pass
        gc.collect()

    run(main)
    assert reports == []


@pytest.mark.parametrize("kind", ["iterable", "async iterable"])
def test_items_that_fail_do_so_after_the_results(run: Run, make: Make, kind: str) -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise LookupError("no more items")

    async def items_async() -> AsyncIterator[int]:
        for item in items():
            yield item

    async def main() -> None:
        async with make(workers=2) as pool:
            got = []
            source: Any = items() if kind == "iterable" else items_async()
            with pytest.raises(LookupError, match="no more items"):
                async for result in pool.map(double, source):
                    got.append(result)
            assert got == [2, 4, 6]

    run(main)


def test_slow_items_do_not_hold_up_results(run: Run, make: Make) -> None:
    async def main() -> None:
        more = asyncio.Event()

        async def items() -> AsyncIterator[int]:
            yield 1
            await more.wait()
            yield 2

        async with make(workers=2) as pool:
            results = pool.map(double, items())
            assert await anext(results) == 2
            more.set()
            assert await anext(results) == 4
            with pytest.raises(StopAsyncIteration):
                await anext(results)

    run(main)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["iterable", "async iterable"])
def test_a_consumer_that_is_cancelled(
    run: Run, make: Make, gates: Gates, ordered: bool, kind: str
) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            gate = gates()
            source: Any = range(100) if kind == "iterable" else counting(100)

            async def consume() -> None:
                async for _ in pool.map(lambda _: gate.wait(), source, ordered=ordered):
                    raise AssertionError("there is no result")

            task = asyncio.create_task(consume())
            await gate.until_reached()
            task.cancel()
            await asyncio.sleep(0)
            gate.open()
            with pytest.raises(asyncio.CancelledError):
                await task
            statistics = pool.statistics()
            assert statistics.done == statistics.queued == statistics.running == 0
            assert statistics.cancelled == 2
            assert await pool.run(double, 4) == 8

    run(main)


def test_a_pool_that_is_closed_meanwhile(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            results = pool.map(double, range(100))
            assert await anext(results) == 0
        with pytest.raises(fournil.PoolClosedError):
            while True:
                await anext(results)

    run(main)


@pytest.mark.parametrize("in_flight", [0, -1])
def test_none_in_flight(run: Run, make: Make, in_flight: int) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(ValueError, match=f"at least one call in flight.*{in_flight}"):
                pool.map(double, [1], in_flight=in_flight)

    run(main)


def test_what_is_not_iterable(run: Run, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            with pytest.raises(TypeError, match="iterables and async iterables, got 3 of type int"):
                pool.map(double, 3)  # type: ignore[call-overload]

    run(main)


def test_results_are_not_kept(run: Run, make: Make) -> None:
    class Result:
        pass

    async def main() -> None:
        alive: weakref.WeakSet[Result] = weakref.WeakSet()

        def result(_: int) -> Result:
            made = Result()
            alive.add(made)
            return made

        async with make(workers=1) as pool:
            async for _ in pool.map(result, range(500), in_flight=4):
                assert len(alive) <= 8

    if make is fournil.ThreadPool:
        run(main)
