"""Debug mode: what it refuses, what it warns of, what it remembers."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.loops import Loop, LoopFactory, run_turn, run_turns_until


@pytest.fixture(autouse=True)
def debugged(loop: Loop) -> None:
    loop.set_debug(True)


async def nothing() -> None:
    pass


def origin_depth() -> int:
    return sys.get_coroutine_origin_tracking_depth()


def test_get_debug(loop: Loop) -> None:
    assert loop.get_debug() is True
    assert "debug=True" in repr(loop)
    loop.set_debug(False)
    assert loop.get_debug() is False


@pytest.mark.parametrize("debug", [True, False])
def test_the_runner_sets_it(loop_factory: LoopFactory, debug: bool) -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
        assert runner.run(main()) is debug


SCHEDULE: dict[str, Callable[[Loop, Any], asyncio.Handle]] = {
    "call_soon": lambda loop, callback: loop.call_soon(callback),
    "call_later": lambda loop, callback: loop.call_later(0, callback),
    "call_at": lambda loop, callback: loop.call_at(0, callback),
    "call_soon_threadsafe": lambda loop, callback: loop.call_soon_threadsafe(callback),
}


@pytest.mark.parametrize("name", SCHEDULE)
def test_from_the_wrong_thread(loop: Loop, name: str) -> None:
    errors: list[str] = []

    def call() -> None:
        try:
            SCHEDULE[name](loop, print).cancel()
        except RuntimeError as error:
            errors.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=call)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    refused = "Non-thread-safe operation invoked on an event loop other than the current one"
    assert errors == ([] if name == "call_soon_threadsafe" else [refused])


@pytest.mark.parametrize("name", SCHEDULE)
def test_a_coroutine_is_no_callback(loop: Loop, name: str) -> None:
    method = "call_at" if name == "call_later" else name
    with pytest.raises(TypeError, match=f"coroutines cannot be used with {method}"):
        SCHEDULE[name](loop, nothing)
    coroutine = nothing()
    with pytest.raises(TypeError, match=f"coroutines cannot be used with {method}"):
        SCHEDULE[name](loop, coroutine)
    coroutine.close()


@pytest.mark.parametrize("name", SCHEDULE)
def test_what_cannot_be_called_is_no_callback(loop: Loop, name: str) -> None:
    method = "call_at" if name == "call_later" else name
    with pytest.raises(TypeError, match=f"a callable object was expected by {method}"):
        SCHEDULE[name](loop, 42)


@pytest.mark.parametrize("name", SCHEDULE)
def test_handles_know_where_they_were_made(loop: Loop, name: str) -> None:
    def schedule() -> Any:
        return loop.call_soon(print)

    handle: Any = SCHEDULE[name](loop, print)
    frame = handle._source_traceback[-1]
    assert frame.filename == __file__
    assert frame.name == "<lambda>"
    assert handle._source_traceback[-2].name == "test_handles_know_where_they_were_made"
    assert schedule()._source_traceback[-1].name == "schedule"
    handle.cancel()
    run_turn(loop)


def test_handles_do_not_know_it_without(loop: Loop) -> None:
    loop.set_debug(False)
    handle: Any = loop.call_soon(print)
    assert handle._source_traceback is None
    handle.cancel()


def test_tasks_know_where_they_were_made(loop: Loop) -> None:
    async def main() -> None:
        task: Any = loop.create_task(nothing())
        assert task._source_traceback[-1].name == "main"
        await task

    loop.run_until_complete(main())


def slow(seconds: float, loop: Loop) -> None:
    due = loop.time() + seconds
    while loop.time() < due:
        pass


def test_a_slow_callback_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.slow_callback_duration = 0.01
    loop.call_soon(slow, 0.011, loop)
    loop.call_soon(int)
    run_turn(loop)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("asyncio", logging.WARNING)
    shown, duration = record.args if isinstance(record.args, tuple) else (None, None)
    assert record.msg == "Executing %s took %.3f seconds"
    assert isinstance(duration, float)
    assert duration >= 0.01
    line = slow.__code__.co_firstlineno
    assert str(shown).startswith("<Handle slow(0.011, <")
    assert f" at {__file__}:{line} created at {__file__}:" in str(shown)


def test_a_slow_task_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def dawdle() -> None:
        slow(0.011, loop)

    loop.slow_callback_duration = 0.01
    loop.run_until_complete(loop.create_task(dawdle(), name="the dawdler"))
    (record,) = caplog.records
    assert record.getMessage().startswith("Executing <Task finished name='the dawdler' coro=")


def test_a_callback_that_is_fast_is_not_logged(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.slow_callback_duration = 3600
    loop.call_soon(slow, 0.001, loop)
    run_turn(loop)
    assert caplog.records == []


def test_a_slow_callback_that_fails_is_logged_twice(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        slow(0.011, loop)
        raise ValueError

    loop.slow_callback_duration = 0.01
    loop.call_soon(fail)
    run_turn(loop)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_slow_readers_and_timers_are_logged(
    loop: Loop, caplog: pytest.LogCaptureFixture, pipe: tuple[int, int]
) -> None:
    reader, writer = pipe

    def read() -> None:
        slow(0.011, loop)
        loop.remove_reader(reader)

    loop.slow_callback_duration = 0.01
    loop.add_reader(reader, read)
    os.write(writer, b"x")
    loop.call_later(0, slow, 0.011, loop)
    run_turns_until(loop, lambda: len(caplog.records) == 2)
    assert {str(record.args and record.args[0]).split()[0] for record in caplog.records} == {  # type: ignore[index]
        "<Handle",
        "<TimerHandle",
    }


def test_origins_are_tracked_while_the_loop_runs(loop: Loop) -> None:
    async def main() -> int:
        return origin_depth()

    assert origin_depth() == 0
    assert loop.run_until_complete(main()) > 0
    assert origin_depth() == 0


def test_origins_are_tracked_as_before_after_the_loop(loop: Loop) -> None:
    sys.set_coroutine_origin_tracking_depth(3)
    try:
        loop.run_until_complete(nothing())
        assert origin_depth() == 3
    finally:
        sys.set_coroutine_origin_tracking_depth(0)


def test_set_debug_while_the_loop_runs(loop: Loop) -> None:
    async def main() -> None:
        for debug in (False, True, False):
            loop.set_debug(debug)
            await asyncio.sleep(0)
            assert loop.get_debug() is debug
            assert (origin_depth() > 0) is debug
            handle: Any = loop.call_soon(print)
            assert (handle._source_traceback is not None) is debug
            handle.cancel()

    loop.run_until_complete(main())
    assert origin_depth() == 0
