"""Calls in flight are looked after, also where they come fast: by a thread that has pools look."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Callable

import pytest

import fournil
from fournil.offload.isolated import watchdog
from tests.offload.functions import Gate, Run, double
from tests.offload.under_test import engine_of

Gates = Callable[[], Gate]


async def until_calls_come_fast(pool: fournil.ProcessPool) -> None:
    assert await pool.run(double, 1) == 2
    while engine_of(pool).checks.watchdog is None:
        assert await pool.run(double, 1) == 2


def has_thread() -> bool:
    return any(thread.name == "fournil watchdog" for thread in threading.enumerate())


def close_all_of(pool: fournil.ProcessPool) -> None:
    """Close what leads to the workers, as a program that closes all descriptors."""
    for worker in engine_of(pool).live.values():
        for ours in (worker.channel.stream, worker.channel.side):
            os.close(ours.fileno())


def test_descriptors_closed_while_the_last_of_many_calls_is_in_flight(
    run: Run, gates: Gates
) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            await until_calls_come_fast(pool)
            gate = gates()
            call = pool.run(gate.wait)
            await gate.until_reached()
            close_all_of(pool)
            with pytest.raises(fournil.WorkerDied, match="closed descriptors of its pool"):
                await call
            assert await pool.run(double, 4) == 8

    run(main)


@pytest.mark.parametrize("fast", [False, True])
def test_answers_of_which_the_loop_tells_no_more(run: Run, fast: bool) -> None:
    """Code of the program took the reader, as by a number that it believed to be its own."""

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(double, 1) == 2
            if fast:
                await until_calls_come_fast(pool)
            (worker,) = engine_of(pool).live.values()
            removed = asyncio.get_running_loop().remove_reader(worker.channel.stream.fileno())
            assert removed is not False  # uvloop says nothing
            assert await pool.run(double, 4) == 8
            assert await asyncio.gather(*(pool.run(double, n) for n in range(3))) == [0, 2, 4]

    run(main)


def test_where_no_thread_can_be_had(
    run: Run, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asked: list[object] = []
    begin = watchdog.begin

    def note(loop: asyncio.AbstractEventLoop, look: weakref.WeakMethod[Callable[[], None]]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            asked.append(begin(loop, look))

    monkeypatch.setattr(watchdog, "begin", note)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            while not asked:
                assert await pool.run(double, 1) == 2
            gate = gates()
            call = pool.run(gate.wait)
            await gate.until_reached()
            close_all_of(pool)
            with pytest.raises(fournil.WorkerDied, match="closed descriptors of its pool"):
                await call
        assert asked == [None] * len(asked)
        assert not watchdog._registered

    run(main)


def test_the_thread_ends_when_no_calls_come(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            for _ in range(2):
                await until_calls_come_fast(pool)
                assert has_thread()
                while has_thread():
                    await asyncio.sleep(0.001)
                assert engine_of(pool).checks.watchdog is None

    run(main)


def throw_away(pools: list[fournil.ProcessPool]) -> None:
    pools.clear()
    gc.collect()


def test_it_holds_no_pool(run: Run) -> None:
    async def main() -> None:
        pool = fournil.ProcessPool(1)
        await until_calls_come_fast(pool)
        await asyncio.sleep(0)  # the step that goes on here holds what woke it
        held = weakref.ref(pool)
        pools = [pool]
        del pool
        with pytest.warns(ResourceWarning, match="never closed"):
            throw_away(pools)
        assert held() is None
        while has_thread():
            await asyncio.sleep(0.001)

    run(main)


def test_a_loop_that_is_long_at_a_step_is_asked_once() -> None:
    looks = 0

    class Pool:
        def look(self) -> None:
            nonlocal looks
            looks += 1

    async def main() -> None:
        pool = Pool()
        registration = watchdog.begin(asyncio.get_running_loop(), weakref.WeakMethod(pool.look))
        assert registration is not None
        for _ in range(5):
            assert registration.ask()
        await asyncio.sleep(0)
        while not looks:
            await asyncio.sleep(0)
        registration.end()
        assert looks == 1
        while has_thread():
            await asyncio.sleep(0.001)

    asyncio.run(main())
