"""A task that uses a pool, cancelled in each of its steps; a pool that is ended in each state."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any

import pytest

import fournil
from tests.offload.functions import Gate, Run, double

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


class Stepped(Coroutine[Any, Any, None]):
    """A coroutine whose task is cancelled in one of its steps.

    Args:
        inner: what is run.
        at: which step.
        late: whether the task is cancelled when what it waits for is there, but it did not go on
            yet, and not while it waits.
    """

    def __init__(self, inner: Coroutine[Any, Any, None], at: int, late: bool) -> None:
        self.inner = inner
        self.left = at
        self.late = late
        self.task: asyncio.Task[None] | None = None

    def send(self, value: None) -> Any:
        return self.count(self.inner.send(value))

    def throw(self, *error: Any) -> Any:
        return self.count(self.inner.throw(*error))

    def close(self) -> None:
        self.inner.close()

    def __await__(self) -> Generator[Any, None, None]:
        raise AssertionError("a task awaits nothing")

    def count(self, awaited: Any) -> Any:
        self.left -= 1
        if self.left == -1:
            assert self.task is not None
            if self.late and awaited is not None:
                awaited.add_done_callback(lambda _: self.task and self.task.cancel())
            else:
                asyncio.get_running_loop().call_soon(self.task.cancel)
        return awaited


@pytest.mark.parametrize("late", [False, True], ids=["while it waits", "as it goes on"])
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_a_task_is_cancelled_in_each_step(
    run: Run,
    make: Make,
    use: Callable[[fournil.Pool], Coroutine[Any, Any, None]],
    late: bool,
) -> None:
    """The pool is none the worse for it, and all that it began has come to an end."""

    async def main() -> None:
        async with make(workers=2) as pool:
            for step in itertools.count():
                stepped = Stepped(use(pool), step, late)
                stepped.task = asyncio.create_task(stepped)
                await asyncio.wait([stepped.task])
                if not stepped.task.cancelled():
                    await stepped.task
                # Its executor's calls are told by the loop that their future was cancelled.
                while pool._in_flight:
                    await asyncio.sleep(0)
                assert pool.statistics().queued == 0
                if stepped.left >= 0:
                    break
            assert step > 0
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
            state.gate.open()
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
