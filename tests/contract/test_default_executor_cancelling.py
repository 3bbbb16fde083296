"""Calls in threads of the default executor that are cancelled."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time

import pytest

import fournil
from tests.contract.executors import Held, executor_of, is_ours
from tests.contract.loops import Loop, Reports


def test_a_running_call_is_let_go_at_once(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    began, released, ended = threading.Event(), threading.Event(), threading.Event()
    reports = Reports()
    loop.set_exception_handler(reports)

    def fail_late() -> None:
        began.set()
        released.wait()
        ended.set()
        raise ValueError("of nobody's interest")

    async def main() -> None:
        call = asyncio.create_task(asyncio.to_thread(fail_late))
        while not began.is_set():
            await asyncio.sleep(0.0001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not ended.is_set()
        released.set()
        while not ended.is_set():
            await asyncio.sleep(0.0001)
        await asyncio.to_thread(int)

    loop.run_until_complete(main())
    gc.collect()
    assert reports == []
    assert not caplog.records


def test_a_call_in_the_queue_never_runs(loop: Loop, held: Held) -> None:
    ran: list[int] = []

    async def main() -> None:
        calls = [loop.run_in_executor(None, ran.append, n) for n in range(10)]
        for call in calls[::2]:
            call.cancel()
        # asyncio drops it a turn later.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        held.released.set()
        await asyncio.wait(calls)
        await asyncio.gather(*held.calls)

    loop.run_until_complete(main())
    assert sorted(ran) == [1, 3, 5, 7, 9]


def test_shutdown_cancels_what_has_not_begun(loop: Loop, held: Held) -> None:
    async def main() -> None:
        calls = [loop.run_in_executor(None, int) for _ in range(5)]
        submitted = executor_of(loop).submit(int)
        executor_of(loop).shutdown(wait=False, cancel_futures=True)
        await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)
        assert submitted.cancelled()
        held.released.set()
        assert await asyncio.gather(*held.calls) == [True] * len(held.calls)
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            await asyncio.to_thread(int)

    loop.run_until_complete(main())


def test_cancelled_at_any_moment(loop: Loop) -> None:
    chance = random.Random(14)
    ran: set[int] = set()

    def note(n: int) -> int:
        ran.add(n)
        if n % 7 == 0:
            raise LookupError(n)
        return n

    async def main() -> None:
        kept: set[int] = set()
        for number in range(400):
            calls = {n: asyncio.create_task(asyncio.to_thread(note, n)) for n in
                     range(number * 10, number * 10 + chance.choice([1, 2, 9]))}  # fmt: skip
            for _ in range(chance.choice([0, 0, 1, 2, 3])):
                await asyncio.sleep(chance.choice([0, 0, 0, 0.0001]))
            dropped = {n for n in calls if chance.random() < 0.4}
            for n in dropped:
                calls[n].cancel()
            await asyncio.wait(calls.values())
            for n, call in calls.items():
                if call.cancelled():
                    assert n in dropped
                elif n % 7 == 0:
                    assert type(call.exception()) is LookupError
                else:
                    assert call.result() == n
                    kept.add(n)
        assert kept <= ran

    loop.run_until_complete(main())


def test_a_function_may_ask_whether_it_is_cancelled(loop: Loop) -> None:
    if not is_ours(loop):
        pytest.skip("only a pool of ours answers")
    began, answered = threading.Event(), threading.Event()
    answers: list[bool] = []

    def ask() -> None:
        answers.append(fournil.cancelled())
        began.set()
        while not fournil.cancelled():
            time.sleep(0.0001)
        answered.set()

    async def main() -> None:
        call = asyncio.create_task(asyncio.to_thread(ask))
        while not began.is_set():
            await asyncio.sleep(0.0001)
        call.cancel()
        while not answered.is_set():
            await asyncio.sleep(0.0001)

    loop.run_until_complete(main())
    assert answers == [False]
