"""What a loop keeps alive, and what it lets go of."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import tracemalloc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.loops import Loop, LoopFactory, run_turn


class Value:
    """Something to which a weak reference can be made."""

    def method(self, *args: object) -> None:
        pass


def test_a_closed_loop_is_collected(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    loop.call_later(3600, loop.stop)
    loop.run_until_complete(asyncio.sleep(0))
    loop.call_soon(loop.stop)
    loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None


FILL: dict[str, Callable[[Loop, int], Any]] = {
    "nothing": lambda loop, fd: None,
    "call_soon": lambda loop, fd: loop.call_soon(loop.stop),
    "call_later": lambda loop, fd: loop.call_later(3600, loop.stop),
    "add_reader": lambda loop, fd: loop.add_reader(fd, loop.stop),
    "task": lambda loop, fd: loop.create_task(asyncio.sleep(3600)),
    "task factory": lambda loop, fd: loop.set_task_factory(loop.create_task),  # type: ignore[arg-type]
    "attribute": lambda loop, fd: setattr(loop, "itself", loop),
}


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited:RuntimeWarning")
@pytest.mark.parametrize("fill", FILL.values(), ids=FILL.keys())
def test_a_loop_that_nobody_closed_is_collected(
    loop_factory: LoopFactory, pipe: tuple[int, int], fill: Callable[[Loop, int], Any]
) -> None:
    loop = loop_factory()
    loop.set_exception_handler(lambda loop, context: None)
    fill(loop, pipe[0])
    reference = weakref.ref(loop)
    del loop
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    shown = [str(warning.message) for warning in caught]
    assert any("unclosed event loop" in text for text in shown)
    # The warning holds the loop, as its source.
    caught.clear()
    gc.collect()
    assert reference() is None


def test_a_handle_in_a_cycle_is_collected(loop: Loop) -> None:
    value: Any = Value()
    value.handles = [loop.call_soon(value.method), loop.call_later(0, value.method)]
    reference = weakref.ref(value)
    run_turn(loop)
    run_turn(loop)
    del value
    gc.collect()
    assert reference() is None


def test_a_task_in_a_cycle_is_collected(loop: Loop) -> None:
    async def main(value: Any) -> None:
        value.task = asyncio.current_task()
        await asyncio.sleep(0)

    value = Value()
    reference = weakref.ref(value)
    loop.run_until_complete(main(value))
    del value
    gc.collect()
    assert reference() is None


def test_an_exception_of_a_callback_is_let_go_of(loop: Loop) -> None:
    def fail(value: Value) -> None:
        raise ValueError

    loop.set_exception_handler(lambda loop, context: None)
    value = Value()
    reference = weakref.ref(value)
    loop.call_soon(fail, value)
    del value
    run_turn(loop)
    run_turn(loop)
    gc.collect()
    assert reference() is None


def test_a_reader_that_is_removed_is_let_go_of(loop: Loop, pipe: tuple[int, int]) -> None:
    def set_both() -> weakref.ref[Value]:
        value = Value()
        loop.add_reader(pipe[0], value.method)
        loop.add_writer(pipe[1], value.method)
        return weakref.ref(value)

    references = [set_both() for _ in range(3)]
    assert [reference() is None for reference in references] == [True, True, False]
    loop.remove_reader(pipe[0])
    loop.remove_writer(pipe[1])
    assert references[2]() is None


def test_a_reader_that_is_refused_is_let_go_of(loop: Loop, tmp_path: Any) -> None:
    value = Value()
    reference = weakref.ref(value)
    with (tmp_path / "file").open("wb") as file:
        for _ in range(3):
            with pytest.raises(PermissionError):
                loop.add_reader(file, value.method)
    del value
    assert reference() is None


def test_reference_counts_stay(loop: Loop) -> None:
    value, argument = Value(), object()
    method = value.method
    context = contextvars.copy_context()
    counted = (method, argument, context, loop, None, True)
    left = 10_000

    def call(*args: object) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            loop.call_soon(call, argument, context=context)
            loop.call_soon(method, argument).cancel()
            loop.call_later(3600, method, argument).cancel()
            loop.call_soon_threadsafe(method)
        else:
            loop.stop()

    loop.call_soon(call)
    before = [sys.getrefcount(each) for each in counted]
    loop.run_forever()
    run_turn(loop)
    after = [sys.getrefcount(each) for each in counted]
    # None and True are immortal, or used by everything.
    differences = [abs(now - then) for now, then in zip(after, before, strict=True)]
    assert max(differences[:4]) <= 5
    assert max(differences) < 1000


def test_memory_stays(loop: Loop) -> None:
    def work() -> None:
        left = 2000

        def again() -> None:
            nonlocal left
            left -= 1
            loop.call_later(3600, again).cancel()
            if left:
                loop.call_soon(again)
            else:
                loop.stop()

        loop.call_soon(again)
        loop.run_forever()
        gc.collect()

    work()
    tracemalloc.start()
    try:
        work()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5):
            work()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_loops_made_and_closed_again_and_again(loop_factory: LoopFactory) -> None:
    # Their descriptors are counted by the fixture that looks for leaks.
    for _ in range(200):
        loop = loop_factory()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_collections_while_the_loop_runs(loop: Loop, pipe: tuple[int, int]) -> None:
    # The collector may look at the loop at any moment of its work, also from a thread.
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            gc.collect(0)

    thread = threading.Thread(target=collect)
    thread.start()
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        ran = 0

        def again() -> None:
            nonlocal ran
            ran += 1
            timers = [loop.call_later(n / 1e3, print) for n in range(5)]
            loop.add_reader(pipe[0], print)
            loop.add_writer(pipe[1], int)
            for timer in timers:
                timer.cancel()
            loop.remove_reader(pipe[0])
            if ran < 500:
                loop.call_soon(again)
            else:
                loop.stop()

        loop.call_soon(again)
        loop.run_forever()
    finally:
        gc.set_threshold(*threshold)
        stop.set()
        thread.join()
        loop.remove_writer(pipe[1])
    assert ran == 500


def test_a_closed_loop_is_let_go_of_without_the_collector(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    future = loop.create_future()
    assert future.get_loop() is loop
    del future
    reference = weakref.ref(loop)
    gc.disable()
    try:
        del loop
        assert reference() is None
    finally:
        gc.enable()
