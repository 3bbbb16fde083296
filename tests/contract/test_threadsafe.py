"""call_soon_threadsafe: from threads, from signals' handlers, on an idle loop, at the end."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import threading

import pytest

from tests.contract.loops import Loop, LoopFactory, keep_awake, run_turn, run_turns_until


def test_from_the_loop_itself(loop: Loop) -> None:
    ran: list[int] = []
    for number in range(100):
        loop.call_soon_threadsafe(ran.append, number)
    run_turn(loop)
    assert ran == list(range(100))


def test_wakes_an_idle_loop(loop: Loop) -> None:
    running = threading.Event()

    def stop_it() -> None:
        running.wait()
        # Nothing else will ever happen on this loop.
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=stop_it)
    thread.start()
    loop.call_soon(running.set)
    loop.run_forever()
    thread.join()


def test_wakes_a_loop_that_waits_for_a_timer(loop: Loop) -> None:
    timer = loop.call_later(3600, print)
    test_wakes_an_idle_loop(loop)
    timer.cancel()


def test_each_of_many_calls_to_and_fro_wakes(loop: Loop) -> None:
    # The loop goes to sleep after each call: a lost wake-up would be a hang.
    asked = threading.Semaphore(0)
    left = 3000

    def ask() -> None:
        while asked.acquire() and left:
            loop.call_soon_threadsafe(answer)

    def answer() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            loop.stop()
        asked.release()

    thread = threading.Thread(target=ask)
    thread.start()
    asked.release()
    loop.run_forever()
    thread.join()
    assert left == 0


def test_many_threads_lose_nothing(loop: Loop) -> None:
    threads, calls = 8, 2000
    got: list[list[int]] = [[] for _ in range(threads)]
    left = threads * calls

    def receive(thread: int, number: int) -> None:
        nonlocal left
        got[thread].append(number)
        left -= 1
        if left == 0:
            loop.stop()

    def send(thread: int) -> None:
        for number in range(calls):
            loop.call_soon_threadsafe(receive, thread, number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        started = [threading.Thread(target=send, args=(n,)) for n in range(threads)]
        for thread in started:
            thread.start()
        loop.run_forever()
        for thread in started:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert got == [list(range(calls))] * threads


def test_calls_while_the_loop_is_busy(loop: Loop) -> None:
    busy = True
    turns = 0

    def spin() -> None:
        nonlocal turns
        turns += 1
        if busy:
            loop.call_soon(spin)
        else:
            loop.stop()

    def end() -> None:
        nonlocal busy
        busy = False

    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(end))
    loop.call_soon(spin)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert turns > 0


def test_a_time_that_lets_threads_run_in_between(loop_factory: LoopFactory) -> None:
    # A thread's call may come after the loop has seen that nothing is ready, and before it
    # has begun to wait.
    class Loop(loop_factory):  # type: ignore[valid-type, misc]
        def time(self) -> float:
            if threading.current_thread() is threading.main_thread() and armed:
                armed.pop().start()
                called.wait()
            now: float = super().time()
            return now

    loop = Loop()
    armed: list[threading.Thread] = []
    called = threading.Event()

    def call() -> None:
        loop.call_soon_threadsafe(loop.stop)
        called.set()

    thread = threading.Thread(target=call)
    timer = loop.call_later(3600, print)
    loop.call_soon(armed.append, thread)
    loop.run_forever()
    thread.join()
    timer.cancel()
    loop.close()


def test_from_a_signals_handler(loop: Loop) -> None:
    ran: list[str] = []

    def handler(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(ran.append, "handled")
        loop.call_soon_threadsafe(loop.stop)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
        loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ran == ["handled"]


def test_from_a_signals_handler_while_the_loop_waits(loop: Loop) -> None:
    def handler(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(loop.stop)

    keep_awake(loop)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.015)
        loop.run_forever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_on_a_closed_loop(loop: Loop) -> None:
    loop.close()
    errors: list[BaseException] = []

    def call() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert [str(error) for error in errors] == ["Event loop is closed"]


def call_until_refused(loop: Loop, started: threading.Event, refused: list[str]) -> None:
    try:
        while True:
            loop.call_soon_threadsafe(int)
            started.set()
    except RuntimeError as error:
        refused.append(str(error))


def test_while_the_loop_is_being_closed(loop_factory: LoopFactory) -> None:
    # Each call is either taken or refused with the error of a closed loop.
    for _ in range(50):
        loop = loop_factory()
        refused: list[str] = []
        started = threading.Event()

        thread = threading.Thread(target=call_until_refused, args=(loop, started, refused))
        thread.start()
        started.wait()
        run_turn(loop)
        loop.close()
        thread.join()
        assert refused == ["Event loop is closed"]


def test_handles_and_contexts(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def call() -> None:
        variable.set("of the thread")
        loop.call_soon_threadsafe(lambda: seen.append(variable.get()))
        handle = loop.call_soon_threadsafe(seen.append, "cancelled")
        handle.cancel()
        assert handle.cancelled()

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    run_turn(loop)
    assert seen == ["of the thread"]


def test_run_coroutine_threadsafe(loop: Loop) -> None:
    async def add(one: int, other: int) -> int:
        await asyncio.sleep(0)
        return one + other

    def sum_up() -> None:
        futures = [asyncio.run_coroutine_threadsafe(add(n, n), loop) for n in range(100)]
        results.extend(future.result() for future in futures)
        loop.call_soon_threadsafe(loop.stop)

    results: list[int] = []
    thread = threading.Thread(target=sum_up)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert results == [2 * n for n in range(100)]


def test_a_stopped_loop_keeps_what_it_was_given(loop: Loop) -> None:
    ran: list[int] = []
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(ran.append, 1))
    thread.start()
    thread.join()
    assert ran == []
    run_turns_until(loop, lambda: ran)
    assert ran == [1]


@pytest.mark.parametrize("loops", [4])
def test_loops_in_threads_that_call_each_other(loop_factory: LoopFactory, loops: int) -> None:
    rounds = 500
    made = [loop_factory() for _ in range(loops)]
    arrived = [0] * loops

    def arrive(place: int) -> None:
        arrived[place] += 1
        following = (place + 1) % loops
        if arrived[place] <= rounds:
            made[following].call_soon_threadsafe(arrive, following)
        else:
            for each in made:
                each.call_soon_threadsafe(each.stop)

    threads = [threading.Thread(target=each.run_forever) for each in made]
    for thread in threads:
        thread.start()
    made[0].call_soon_threadsafe(arrive, 0)
    for thread in threads:
        thread.join()
    for each in made:
        each.close()
    assert arrived == [rounds + 1] + [rounds] * (loops - 1)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in 3.14")
def test_a_cancel_waits_for_the_end_of_the_callback(loop: Loop) -> None:
    began, cancels, ended = threading.Event(), threading.Event(), threading.Event()
    seen: list[bool] = []

    def call() -> None:
        began.set()
        cancels.wait()
        # What runs in its own thread does not wait.
        assert not handle.cancelled()
        ended.set()

    def cancel() -> None:
        began.wait()
        cancels.set()
        seen.append(handle.cancelled())
        seen.append(ended.is_set())
        handle.cancel()
        seen.append(handle.cancelled())

    handle = loop.call_soon_threadsafe(call)
    thread = threading.Thread(target=cancel)
    thread.start()
    run_turn(loop)
    thread.join()
    assert seen == [False, True, True]


def test_a_callback_that_cancels_itself(loop: Loop) -> None:
    ran: list[bool] = []

    def call() -> None:
        handle.cancel()
        ran.append(handle.cancelled())

    handle = loop.call_soon_threadsafe(call)
    run_turn(loop)
    assert ran == [True]
