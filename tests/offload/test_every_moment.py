"""A task that uses a pool, cancelled in each of its steps; a pool that is ended in each state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import fournil
from tests.offload.kinds import Gate, Run, double

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]


async def counting(until: int) -> AsyncIterator[int]:
    for number in range(until):
        await asyncio.sleep(0)
        yield number


async def one_by_one(pool: fournil.Pool) -> None:
    for number in range(5):
        assert await pool.run(double, number) == 2 * number


async def at_once(pool: fournil.Pool) -> None:
    results = await asyncio.gather(*(pool.run(double, n) for n in range(20)))
    assert results == [2 * n for n in range(20)]


async def in_a_group(pool: fournil.Pool) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pool.run(double, n)) for n in range(20)]
    assert [task.result() for task in tasks] == [2 * n for n in range(20)]


async def by_map(pool: fournil.Pool) -> None:
    assert [r async for r in pool.map(double, range(20))] == [2 * n for n in range(20)]


async def by_map_as_they_end(pool: fournil.Pool) -> None:
    results = [r async for r in pool.map(double, range(20), ordered=False)]
    assert sorted(results) == [2 * n for n in range(20)]


async def by_map_of_what_comes(pool: fournil.Pool) -> None:
    assert [r async for r in pool.map(double, counting(10))] == [2 * n for n in range(10)]


async def by_map_left_early(pool: fournil.Pool) -> None:
    async with contextlib.aclosing(pool.map(double, counting(100))) as results:
        async for result in results:
            if result == 10:
                break


async def by_its_executor(pool: fournil.Pool) -> None:
    loop = asyncio.get_running_loop()
    for number in range(5):
        assert await loop.run_in_executor(pool.executor, double, number) == 2 * number


USES = [
    one_by_one,
    at_once,
    in_a_group,
    by_map,
    by_map_as_they_end,
    by_map_of_what_comes,
    by_map_left_early,
    by_its_executor,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_a_task_is_cancelled_in_each_step(
    run: Run, make: Make, use: Callable[[fournil.Pool], Awaitable[None]]
) -> None:
    """The pool is none the worse for it, and all that it began has come to an end."""

    async def steps(pool: fournil.Pool) -> None:
        await use(pool)

    async def main() -> None:
        turns = 0
        completed = 0
        async with make(workers=2) as pool:
            # How many turns it takes differs from time to time.
            while completed < 3:
                task = asyncio.create_task(steps(pool))
                for _ in range(turns):
                    await asyncio.sleep(0)
                turns += 1
                cancelled = task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    assert cancelled
                else:
                    completed += 1
                # A future of the executor is cancelled before its call knows.
                while (statistics := pool.statistics()).queued or statistics.running:
                    await asyncio.sleep(0)
            assert await pool.run(double, 4) == 8
            assert pool.statistics().failed == 0

    run(main)


class State:
    """A pool with calls, some of which go on when the gate is opened."""

    def __init__(self, pool: fournil.Pool, gate: Gate) -> None:
        self.pool = pool
        self.gate = gate
        self.calls: list[asyncio.Future[object]] = []
        self.held = False

    async def unused(self) -> None:
        pass

    async def idle(self) -> None:
        await self.pool.run(double, 1)

    async def just_called(self) -> None:
        self.calls += [self.pool.run(double, n) for n in range(5)]

    async def running(self) -> None:
        self.calls.append(self.pool.run(self.gate.wait))
        await self.gate.until_reached()
        self.held = True

    async def running_and_waiting(self) -> None:
        await self.running()
        await self.just_called()

    async def cancelling(self) -> None:
        await self.running()
        self.calls[0].cancel()
        await self.just_called()

    async def mapping(self) -> None:
        await self.running()
        results = self.pool.map(double, range(100))
        self.calls.append(asyncio.ensure_future(anext(results)))
        await asyncio.sleep(0)

    async def closing(self) -> None:
        await self.running_and_waiting()
        self.calls.append(asyncio.ensure_future(self.pool.close()))
        await asyncio.sleep(0)

    async def closed(self) -> None:
        await self.pool.close()


STATES = [
    State.unused,
    State.idle,
    State.just_called,
    State.running,
    State.running_and_waiting,
    State.cancelling,
    State.mapping,
    State.closing,
    State.closed,
]


async def close(pool: fournil.Pool) -> None:
    await pool.close()


async def leave(pool: fournil.Pool) -> None:
    await pool.__aexit__(None, None, None)


async def leave_by_an_exception(pool: fournil.Pool) -> None:
    error = LookupError()
    await pool.__aexit__(LookupError, error, None)


async def cancelled_close(pool: fournil.Pool) -> None:
    closing = asyncio.ensure_future(pool.close())
    await asyncio.sleep(0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing


ENDS = [close, leave, leave_by_an_exception, cancelled_close]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("come_to", STATES, ids=lambda state: state.__name__)
def test_a_pool_is_ended_in_each_state(
    run: Run,
    make: Make,
    gates: Gates,
    come_to: Callable[[State], Awaitable[None]],
    end: Callable[[fournil.Pool], Awaitable[None]],
) -> None:
    async def main() -> None:
        state = State(make(workers=1), gates())
        await come_to(state)
        ending = asyncio.ensure_future(end(state.pool))
        await asyncio.sleep(0)
        if state.held:
            await state.gate.open()
        await ending
        outcomes = await asyncio.gather(*state.calls, return_exceptions=True)
        for outcome in outcomes:
            assert not isinstance(outcome, Exception), outcome
        assert (
            end is leave_by_an_exception
            or end is cancelled_close
            or not any(
                isinstance(outcome, asyncio.CancelledError)
                for outcome in outcomes[1 if come_to is State.cancelling else 0 :]
            )
        )
        statistics = state.pool.statistics()
        assert (statistics.queued, statistics.running) == (0, 0)
        with pytest.raises(fournil.PoolClosedError):
            state.pool.run(double, 1)
        await state.pool.close()

    run(main)
