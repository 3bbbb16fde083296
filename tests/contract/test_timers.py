"""call_later and call_at: when, in which order; odd delays; cancelling; many."""

from __future__ import annotations

import gc
import math
import random
import time
import weakref
from itertools import pairwise

import pytest

from tests.contract.loops import Loop, run_turn, run_turns_until


def test_runs_in_the_order_of_the_moments(loop: Loop) -> None:
    ran: list[int] = []
    now = loop.time()
    moments = list(range(50))
    random.Random(1).shuffle(moments)
    for moment in moments:
        loop.call_at(now + moment / 1e4, ran.append, moment)
    run_turns_until(loop, lambda: len(ran) == 50)
    assert ran == list(range(50))


def test_is_never_early(loop: Loop) -> None:
    early: list[float] = []
    left = 0

    def check(due: float) -> None:
        nonlocal left
        left -= 1
        # The clock's resolution, by which asyncio's loop may be early too.
        if loop.time() < due - 1e-9:
            early.append(due - loop.time())

    for delay in [*(n * 1e-5 for n in range(300)), 1e-9, 1e-8, 1e-7, 0.003, 0.0050001]:
        due = loop.time() + delay
        loop.call_later(delay, check, due)
        loop.call_at(due, check, due)
        left += 2
    run_turns_until(loop, lambda: left == 0)
    assert early == []


def test_an_idle_loop_waits_for_the_moment(loop: Loop) -> None:
    ran: list[float] = []
    due = loop.time() + 0.01
    loop.call_at(due, lambda: ran.append(loop.time()))
    loop.call_at(due, loop.stop)
    loop.run_forever()
    assert ran[0] >= due - 1e-9


@pytest.mark.parametrize("delay", [0, 0.0, -0.0, -1, -1e9, -math.inf, False])
def test_a_moment_that_is_past_runs_in_the_next_turn(loop: Loop, delay: float) -> None:
    ran: list[str] = []

    def schedule() -> None:
        loop.call_later(delay, ran.append, "later")
        loop.call_at(loop.time() + delay, ran.append, "at")

    loop.call_soon(schedule)
    # However busy the loop is.
    loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(ran.append, "too late")))
    run_turn(loop)
    run_turn(loop)
    assert sorted(ran) == ["at", "later"]


def test_what_is_ready_runs_before_what_is_due(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_later(0, ran.append, "timer")
    loop.call_soon(ran.append, "soon")
    run_turn(loop)
    assert ran == ["soon", "timer"]


@pytest.mark.parametrize("delay", [math.inf, 1e300, 1e18, 10.0**9, 86400.0 * 400])
def test_far_away_moments(loop: Loop, delay: float) -> None:
    ran: list[str] = []
    far = loop.call_later(delay, ran.append, "never")
    loop.call_later(0.001, ran.append, "soon")
    run_turns_until(loop, lambda: ran)
    assert ran == ["soon"]
    far.cancel()


def test_an_idle_loop_with_only_a_far_away_moment_can_be_woken(loop: Loop) -> None:
    loop.call_later(math.inf, print)

    async def main() -> str:
        return await loop.run_in_executor(None, lambda: "done")

    assert loop.run_until_complete(main()) == "done"


def test_not_a_number_runs_at_once_and_disturbs_nothing(loop: Loop) -> None:
    ran: list[int] = []
    handle = loop.call_at(math.nan, ran.append, -1)
    assert math.isnan(handle.when())
    run_turns_until(loop, lambda: ran)
    for number in range(20):
        loop.call_later(number / 1e4, ran.append, number)
    run_turns_until(loop, lambda: len(ran) == 21)
    assert ran == list(range(-1, 20))


def test_not_a_number_can_be_cancelled(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_later(math.nan, ran.append, "cancelled").cancel()
    loop.call_later(0, ran.append, "ran")
    run_turns_until(loop, lambda: ran)
    assert ran == ["ran"]


@pytest.mark.parametrize("method", ["call_later", "call_at"])
@pytest.mark.parametrize("moment", [None, "soon"])
def test_what_is_no_moment(loop: Loop, method: str, moment: object) -> None:
    # asyncio finds out about some of them only when it compares two timers.
    loop.call_at(1e18, print)
    with pytest.raises(TypeError):
        getattr(loop, method)(moment, print)


def test_cancel_before_the_moment(loop: Loop) -> None:
    ran: list[int] = []
    now = loop.time()
    handles = [loop.call_at(now + n / 1e5, ran.append, n) for n in range(200)]
    for handle in handles[::3]:
        handle.cancel()
        handle.cancel()
    expected = [n for n in range(200) if n % 3]
    run_turns_until(loop, lambda: len(ran) == len(expected))
    assert ran == expected


def test_cancel_when_due_but_not_run(loop: Loop) -> None:
    ran: list[str] = []

    def cancel_the_other() -> None:
        ran.append("first")
        other.cancel()

    now = loop.time()
    loop.call_at(now, cancel_the_other)
    other = loop.call_at(now + 1e-9, ran.append, "second")
    run_turns_until(loop, lambda: ran)
    run_turn(loop)
    assert ran == ["first"]


def test_cancel_after_it_ran(loop: Loop) -> None:
    ran: list[None] = []
    handle = loop.call_later(0, ran.append, None)
    run_turns_until(loop, lambda: ran)
    handle.cancel()
    assert handle.cancelled()
    run_turn(loop)
    assert ran == [None]


def test_a_timer_that_sets_itself_again(loop: Loop) -> None:
    moments: list[float] = []

    def tick() -> None:
        moments.append(loop.time())
        if len(moments) < 100:
            loop.call_later(1e-5, tick)

    loop.call_soon(tick)
    run_turns_until(loop, lambda: len(moments) == 100)
    assert moments == sorted(moments)
    assert all(b - a >= 1e-5 - 2e-9 for a, b in pairwise(moments))


def test_a_hundred_thousand(loop: Loop) -> None:
    rng = random.Random(2)
    ran: list[float] = []
    now = loop.time() - 10
    kept: list[float] = []
    for _ in range(100_000):
        when = now + rng.random()
        handle = loop.call_at(when, ran.append, when)
        if rng.random() < 0.5:
            handle.cancel()
        else:
            kept.append(when)
    run_turns_until(loop, lambda: len(ran) == len(kept))
    assert ran == sorted(kept)


def test_many_cancelled_at_random(loop: Loop) -> None:
    # Removing from the middle of a heap is where a heap goes wrong.
    rng = random.Random(3)
    for _ in range(200):
        ran: list[int] = []
        now = loop.time() - 1
        moments = [rng.randrange(30) for _ in range(rng.randrange(60))]
        handles = [loop.call_at(now + n / 1e6, ran.append, n) for n in moments]
        cancelled = {n for n in range(len(handles)) if rng.random() < 0.5}
        for n in rng.sample(sorted(cancelled), len(cancelled)):
            handles[n].cancel()
        expected = sorted(moments[n] for n in range(len(handles)) if n not in cancelled)
        run_turn(loop)
        run_turn(loop)
        assert ran == expected


def test_cancelled_timers_are_let_go_of(loop: Loop) -> None:
    class Value:
        def method(self) -> None:
            pass

    def schedule() -> weakref.ref[Value]:
        value = Value()
        loop.call_later(3600, value.method).cancel()
        return weakref.ref(value)

    references = [schedule() for _ in range(1000)]
    gc.collect()
    assert not any(reference() for reference in references)


def test_context_and_arguments(loop: Loop) -> None:
    got: list[tuple[object, ...]] = []
    loop.call_later(0, lambda *args: got.append(args), 1, 2, 3)
    loop.call_at(0, lambda *args: got.append(args))
    run_turns_until(loop, lambda: len(got) == 2)
    assert sorted(got, key=len) == [(), (1, 2, 3)]


def test_moments_in_whole_numbers(loop: Loop) -> None:
    ran: list[float] = []
    handle = loop.call_at(0, ran.append, 0)
    assert handle.when() == 0
    loop.call_later(True, ran.append, 1).cancel()
    run_turns_until(loop, lambda: ran)
    assert ran == [0]


def test_the_clock_goes_on_during_a_step(loop: Loop) -> None:
    seen: list[bool] = []

    def compute() -> None:
        began, moment = loop.time(), time.monotonic()
        while time.monotonic() < moment + 1e-4:
            pass
        # A clock that is read once a turn, or counts milliseconds, stands still here.
        seen.append(loop.time() >= began + 0.99e-4)

    loop.call_soon(compute)
    run_turn(loop)
    assert seen == [True]
