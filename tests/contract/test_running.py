"""run_forever, run_until_complete, stop, close: what each does, and in which state."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.loops import Loop, LoopFactory, run_turn, skip_bug_of_asyncio

# Fixed in CPython 3.13.3.
BROKEN_RE_ENTRY = (3, 13) <= sys.version_info < (3, 13, 3)


async def nothing() -> None:
    pass


def test_stop_before_the_loop_runs(loop: Loop) -> None:
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.call_soon(lambda: loop.call_soon(ran.append, 2))
    loop.stop()
    loop.run_forever()
    assert ran == [1]
    run_turn(loop)
    assert ran == [1, 2]


def test_stop_before_an_idle_loop_runs(loop: Loop) -> None:
    timer = loop.call_later(3600, print)
    loop.stop()
    loop.run_forever()
    timer.cancel()


def test_stop_ends_the_turn_and_not_the_callback(loop: Loop) -> None:
    ran: list[str] = []

    def stop() -> None:
        loop.stop()
        ran.append("the rest of the callback")
        loop.call_soon(ran.append, "the next turn")

    loop.call_soon(stop)
    loop.call_soon(ran.append, "the rest of the turn")
    loop.run_forever()
    assert ran == ["the rest of the callback", "the rest of the turn"]
    run_turn(loop)
    assert ran[2:] == ["the next turn"]


def test_stop_twice_stops_once(loop: Loop) -> None:
    loop.call_soon(loop.stop)
    loop.call_soon(loop.stop)
    loop.run_forever()
    ran: list[int] = []

    def second() -> None:
        ran.append(1)
        loop.stop()

    loop.call_soon(lambda: loop.call_soon(second))
    loop.run_forever()
    assert ran == [1]


def test_stop_of_a_loop_that_is_closed(loop: Loop) -> None:
    loop.close()
    loop.stop()


def test_is_running(loop: Loop) -> None:
    seen: list[bool] = []
    loop.call_soon(lambda: seen.append(loop.is_running()))
    assert not loop.is_running()
    run_turn(loop)
    assert seen == [True]
    assert not loop.is_running()


def test_the_running_loop(loop: Loop) -> None:
    seen: list[object] = []
    loop.call_soon(lambda: seen.append(asyncio.get_running_loop()))
    loop.call_soon(lambda: seen.append(asyncio.get_event_loop()))
    run_turn(loop)
    assert seen == [loop, loop]
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_run_until_complete(loop: Loop) -> None:
    async def main() -> str:
        await asyncio.sleep(0)
        return "result"

    assert loop.run_until_complete(main()) == "result"
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"
    future = loop.create_future()
    loop.call_soon(future.set_result, "future")
    assert loop.run_until_complete(future) == "future"
    assert loop.run_until_complete(future) == "future"


def test_run_until_complete_raises(loop: Loop) -> None:
    async def main() -> None:
        raise ValueError("from the coroutine")

    with pytest.raises(ValueError, match="from the coroutine"):
        loop.run_until_complete(main())


def test_run_until_complete_stopped_early(loop: Loop) -> None:
    async def main() -> None:
        loop.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="stopped before Future completed"):
        loop.run_until_complete(task := loop.create_task(main()))
    loop.run_until_complete(task)


def test_run_until_complete_of_another_loops_future(loop_factory: LoopFactory) -> None:
    one, other = loop_factory(), loop_factory()
    with pytest.raises(ValueError, match="loop"):
        one.run_until_complete(other.create_future())
    one.close()
    other.close()


def test_run_until_complete_of_nonsense(loop: Loop) -> None:
    with pytest.raises(TypeError):
        loop.run_until_complete(42)  # type: ignore[arg-type]


def test_a_loop_does_not_run_inside_itself(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, BROKEN_RE_ENTRY, "a second run of a loop ends the first (gh-130145)")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_forever()
        coroutine = nothing()
        with pytest.raises(RuntimeError, match="This event loop is already running"):
            loop.run_until_complete(coroutine)
        coroutine.close()

    loop.run_until_complete(main())


def test_a_loop_does_not_run_inside_another(loop: Loop, loop_factory: LoopFactory) -> None:
    skip_bug_of_asyncio(loop, BROKEN_RE_ENTRY, "a second run of a loop ends the first (gh-130145)")
    other = loop_factory()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="while another loop is running"):
            other.run_forever()
        assert not other.is_running()
        assert asyncio.get_running_loop() is loop

    loop.run_until_complete(main())
    other.run_until_complete(nothing())
    other.close()


def test_one_after_the_other_in_one_thread(loop_factory: LoopFactory) -> None:
    loops = [loop_factory() for _ in range(20)]
    assert [each.run_until_complete(asyncio.sleep(0, n)) for n, each in enumerate(loops)] == [
        *range(20)
    ]
    for each in loops:
        each.close()


def test_in_another_thread(loop: Loop) -> None:
    results: list[object] = []

    async def main() -> object:
        await asyncio.sleep(0.001)
        return threading.get_ident(), asyncio.get_running_loop()

    thread = threading.Thread(target=lambda: results.append(loop.run_until_complete(main())))
    thread.start()
    thread.join()
    assert results == [(thread.ident, loop)]


def test_from_one_thread_to_the_next(loop: Loop) -> None:
    idents: list[int] = []

    async def main() -> None:
        await asyncio.sleep(0)
        idents.append(threading.get_ident())

    for _ in range(3):
        thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
        thread.start()
        thread.join()
    loop.run_until_complete(main())
    assert len(idents) == 4
    assert idents[-1] == threading.get_ident()


def test_running_twice_at_once(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, BROKEN_RE_ENTRY, "a second run of a loop ends the first (gh-130145)")
    errors: list[str] = []

    def run_too() -> None:
        try:
            loop.run_forever()
        except RuntimeError as error:
            errors.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=run_too)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert errors == ["This event loop is already running"]


def test_many_loops_in_many_threads(loop_factory: LoopFactory) -> None:
    results: dict[int, int] = {}

    async def main(number: int) -> int:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce() -> None:
            for n in range(200):
                await queue.put(n)
                await asyncio.sleep(0.0001 if n % 50 == 0 else 0)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            total = sum([await queue.get() for _ in range(200)])
        return total * number

    def run(number: int) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            results[number] = runner.run(main(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: 19900 * number for number in range(16)}


def test_close(loop: Loop) -> None:
    assert not loop.is_closed()
    loop.close()
    assert loop.is_closed()
    loop.close()
    assert loop.is_closed()


def test_close_while_running(loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert not loop.is_closed()


def test_close_from_another_thread_while_running(loop: Loop) -> None:
    errors: list[str] = []

    def close() -> None:
        try:
            loop.close()
        except RuntimeError as error:
            errors.append(str(error))
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=close)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    assert errors == ["Cannot close a running event loop"]


def test_close_forgets_what_was_scheduled(loop: Loop) -> None:
    handles = [loop.call_soon(print), loop.call_later(0, print), loop.call_later(60, print)]
    loop.close()
    for handle in handles:
        handle.cancel()


def test_close_runs_what_finalizers_do(loop: Loop) -> None:
    class Finalized:
        def __call__(self) -> None:
            pass

        def __del__(self) -> None:
            try:
                loop.call_soon(print)
            except RuntimeError as error:
                errors.append(str(error))

    errors: list[str] = []
    loop.call_soon(Finalized())
    loop.call_later(60, Finalized())
    loop.close()
    assert errors == ["Event loop is closed"] * 2


CLOSED: dict[str, Callable[[Loop], Any]] = {
    "call_soon": lambda loop: loop.call_soon(print),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_at": lambda loop: loop.call_at(1, print),
    "run_forever": lambda loop: loop.run_forever(),
    "run_until_complete": lambda loop: loop.run_until_complete(loop.create_future()),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "add_writer": lambda loop: loop.add_writer(1, print),
    "add_signal_handler": lambda loop: loop.add_signal_handler(10, print),
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
}


@pytest.mark.parametrize("call", CLOSED.values(), ids=CLOSED.keys())
def test_methods_of_a_closed_loop(loop: Loop, call: Callable[[Loop], Any]) -> None:
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        call(loop)


def test_create_task_on_a_closed_loop(loop: Loop) -> None:
    loop.close()
    coroutine = nothing()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.create_task(coroutine)
    coroutine.close()


def test_what_a_closed_loop_still_says(loop: Loop) -> None:
    loop.close()
    assert loop.time() > 0
    assert loop.get_debug() is False
    assert loop.is_running() is False
    assert loop.remove_reader(0) is False
    assert loop.remove_writer(0) is False
    assert "closed=True" in repr(loop)
    loop.create_future().cancel()


def test_a_loop_that_is_not_closed_says_so(loop_factory: LoopFactory) -> None:
    loop = loop_factory()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        loop.__del__()
    assert loop.is_closed()


def test_time_goes_on(loop: Loop) -> None:
    moments = [loop.time() for _ in range(1000)]
    assert moments == sorted(moments)


def test_repr(loop: Loop) -> None:
    assert "running=False closed=False debug=False" in repr(loop)
