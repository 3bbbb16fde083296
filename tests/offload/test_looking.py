"""Threads of a pool that look for their next call before they sleep."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Sized

import pytest

import fournil
from fournil._worker import adaptive_spin
from fournil.offload import calling
from tests.offload.functions import Run


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have workers look after each wait but their first, however long it was."""
    monkeypatch.setattr(calling, "SOON_NS", 10**15)


class Spot:
    """A lookout where a worker looks until it is called."""

    def __init__(self) -> None:
        self.ended = threading.Semaphore(0)
        self.looking = False
        self.calls = 0
        self.seen: bool | None = True
        self.open = True

    def look(self, ns: int, calls: Sized) -> bool | None:
        if not self.open or self.looking or calls:
            return False
        self.looking = True
        self.ended.acquire()
        return self.seen

    def call(self) -> bool:
        if not self.looking:
            return False
        self.looking = False
        self.calls += 1
        self.ended.release()
        return True

    def until_looking(self) -> None:
        while not self.looking:
            time.sleep(0.0001)

    def close(self) -> None:
        self.open = False
        self.call()


@pytest.fixture
def spot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spot]:
    spot = Spot()
    monkeypatch.setattr(calling, "new_spin_wait", lambda: spot)
    yield spot
    spot.close()


async def run_when_it_waits(pool: fournil.ThreadPool, spot: Spot) -> None:
    """Have a worker that has begun to wait run a call."""
    while not spot.looking and not pool._exchange.queue.waiting:
        time.sleep(0.0001)
    assert await pool.run(abs, -4) == 4


async def first_wait(pool: fournil.ThreadPool, spot: Spot) -> None:
    """Have a worker wait once, which it sleeps through, and then look."""
    assert await pool.run(abs, -4) == 4
    await run_when_it_waits(pool, spot)
    spot.until_looking()


def test_who_looks_gets_the_next_call(run: Run, spot: Spot) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=2) as pool:
            await first_wait(pool, spot)
            before = spot.calls
            for n in range(5):
                assert await pool.run(abs, -n) == n
                spot.until_looking()
            assert spot.calls == before + 5

    run(main)


def test_the_call_after_that_has_another_worker(run: Run, spot: Spot) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=2) as pool:
            gates = [threading.Event() for _ in range(3)]
            calls = [pool.run(gate.wait) for gate in gates[:2]]
            for gate in gates[:2]:
                gate.set()
            await asyncio.gather(*calls)
            while not spot.looking or not pool._exchange.queue.waiting:
                await run_when_it_waits(pool, spot)
            first, second = pool.run(gates[2].wait), pool.run(abs, -4)
            # No third worker begins, and the first of two is held up.
            assert await second == 4
            gates[2].set()
            assert await first

    run(main)


def test_who_was_disturbed_sleeps_for_a_while(run: Run, spot: Spot) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=1) as pool:
            await first_wait(pool, spot)
            before = spot.calls
            spot.seen = None
            for _ in range(1 + adaptive_spin.FEWEST):
                await run_when_it_waits(pool, spot)
            assert spot.calls == before + 1
            spot.until_looking()

    run(main)


def test_who_looks_when_the_pool_is_closed_ends(run: Run, spot: Spot) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=1) as pool:
            await first_wait(pool, spot)
            thread = await pool.run(threading.current_thread)
            spot.until_looking()
        assert thread.is_alive()
        spot.close()
        await asyncio.get_running_loop().run_in_executor(None, thread.join)

    run(main)


def test_a_step_may_wait_for_the_calls_that_it_makes(run: Run) -> None:
    async def main() -> None:
        called = threading.Semaphore(0)
        async with fournil.ThreadPool(workers=2) as pool:
            for _ in range(200):
                pool.run(called.release)
                called.acquire()

    run(main)


def test_no_call_is_left_lying(run: Run) -> None:
    """Calls come while workers look, stop looking, go to sleep, and sleep."""
    chance = random.Random(15)

    async def main() -> None:
        async with fournil.ThreadPool(workers=3) as pool:
            for n in range(3_000):
                calls = [pool.run(abs, -n) for _ in range(chance.choice([1, 1, 1, 2, 3, 5]))]
                if chance.random() < 0.1:
                    calls.pop().cancel()
                assert await asyncio.gather(*calls) == [n] * len(calls)
                until = time.perf_counter() + chance.choice([0, 0, 0, 50e-6, 150e-6, 160e-6])
                while time.perf_counter() < until:
                    pass

    run(main)
