"""The default executor: what code finds that looks for it, who calls, and what comes of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import random
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.executors import Held, executor_of, is_ours
from tests.contract.loops import Loop, LoopFactory, run_turn, run_turns_until, skip_bug_of_asyncio


def test_it_is_made_when_it_is_needed(loop: Loop) -> None:
    assert executor_of(loop) is None
    loop.run_until_complete(loop.run_in_executor(None, int))
    executor = executor_of(loop)
    loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(int), None))
    assert executor_of(loop) is executor


def test_it_is_a_thread_pool_executor(loop: Loop) -> None:
    loop.run_until_complete(loop.run_in_executor(None, int))
    executor = executor_of(loop)
    assert isinstance(executor, ThreadPoolExecutor)
    assert executor._max_workers == ThreadPoolExecutor()._max_workers
    assert executor._thread_name_prefix == "asyncio"
    assert {thread.name for thread in executor._threads} == {"asyncio_0"}
    assert executor._work_queue.qsize() == 0
    assert repr(executor).startswith("<")


def test_it_takes_calls_from_anywhere(loop: Loop) -> None:
    loop.run_until_complete(loop.run_in_executor(None, int))
    executor = executor_of(loop)
    future = executor.submit(divmod, 17, 5)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result() == (3, 2)
    assert list(executor.map(pow, range(5), [2] * 5)) == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()
    assert executor.submit(int, base=16, *["ff"]).result() == 255  # noqa: B026
    thread = executor.submit(threading.current_thread).result()
    assert thread in executor._threads
    assert not thread.daemon


def test_another_loop_may_use_it(loop: Loop, loop_factory: LoopFactory) -> None:
    loop.run_until_complete(loop.run_in_executor(None, int))
    executor = executor_of(loop)

    async def use() -> tuple[str, str]:
        other = asyncio.get_running_loop()
        other.set_default_executor(executor)
        first = await other.run_in_executor(executor, threading.current_thread)
        second = await asyncio.to_thread(threading.current_thread)
        return first.name, second.name

    other = loop_factory()
    for name in other.run_until_complete(use()):
        assert name.startswith("asyncio_")
    other.close()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        loop.run_until_complete(asyncio.to_thread(int))


def test_threads_are_started_as_they_are_needed(loop: Loop, held: Held) -> None:
    names = {thread.name for thread in executor_of(loop)._threads}
    assert names == {f"asyncio_{n}" for n in range(executor_of(loop)._max_workers)}
    waiting = loop.run_in_executor(None, threading.current_thread)
    run_turn(loop)
    assert executor_of(loop)._work_queue.qsize() == 1
    held.released.set()
    assert loop.run_until_complete(waiting) in executor_of(loop)._threads


def test_a_thread_that_is_idle_is_used_again(loop: Loop) -> None:
    async def main() -> int:
        for _ in range(200):
            await asyncio.to_thread(int)
        return len(executor_of(loop)._threads)

    threads = loop.run_until_complete(main())
    # CPython's says that it is idle after whoever waits for it was told.
    assert threads == 1 if is_ours(loop) else threads <= executor_of(loop)._max_workers


def test_what_is_local_to_a_thread_stays(loop: Loop) -> None:
    local = threading.local()

    def count() -> tuple[int, int]:
        local.calls = getattr(local, "calls", 0) + 1
        return threading.get_ident(), local.calls

    async def main() -> list[tuple[int, int]]:
        return [await loop.run_in_executor(None, count) for _ in range(100)]

    last = dict(loop.run_until_complete(main()))
    assert sum(last.values()) == 100


def test_the_context_is_the_threads(loop: Loop) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    async def main() -> tuple[str, str]:
        variable.set("of the task")
        in_executor = await loop.run_in_executor(None, variable.get)
        return in_executor, await asyncio.to_thread(variable.get)

    first, second = loop.run_until_complete(main())
    inherits = getattr(sys.flags, "thread_inherit_context", 0)
    assert first == ("of the task" if inherits else "unset")
    assert second == "of the task"


def test_hooks_of_threads_are_called(loop: Loop) -> None:
    seen: set[str] = set()

    def profile(frame: Any, event: str, argument: object) -> None:
        seen.add(frame.f_code.co_name)

    def by_name() -> None:
        pass

    threading.setprofile(profile)
    try:
        loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(by_name), None))
    finally:
        threading.setprofile(None)
    assert "by_name" in seen


class Odd(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("told"), Odd("told"), asyncio.CancelledError("told")])
def test_exceptions_come_out_as_they_are(loop: Loop, error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(type(error)) as caught:
            await loop.run_in_executor(None, fail)
        assert caught.value is error

    loop.run_until_complete(main())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (concurrent.futures.CancelledError("told"), asyncio.CancelledError),
        (concurrent.futures.InvalidStateError("told"), asyncio.InvalidStateError),
        (concurrent.futures.TimeoutError("told"), TimeoutError),
    ],
)
def test_exceptions_of_futures_become_asyncios(
    loop: Loop, error: BaseException, kind: type[BaseException]
) -> None:
    def fail() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(kind) as caught:
            await loop.run_in_executor(None, fail)
        assert type(caught.value) is kind
        assert caught.value.args == ("told",)

    loop.run_until_complete(main())


def test_stop_iteration(loop: Loop) -> None:
    skip_bug_of_asyncio(loop, sys.version_info < (3, 12), "whoever awaits it never goes on")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration interacts badly") as caught:
            await loop.run_in_executor(None, next, iter(()))
        assert type(caught.value.__cause__) is StopIteration

    loop.run_until_complete(main())


def test_system_exit_ends_the_loop(loop: Loop) -> None:
    with pytest.raises(SystemExit, match="3"):
        loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(sys.exit, 3), None))
    assert loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(abs, -3), None)) == 3


def test_nothing_is_kept_of_a_call(loop: Loop) -> None:
    class Argument:
        pass

    async def main() -> weakref.ref[Argument]:
        argument = Argument()
        await asyncio.to_thread(id, argument)
        await asyncio.to_thread(abs, -1)
        return weakref.ref(argument)

    reference = loop.run_until_complete(main())
    run_turns_until(loop, lambda: reference() is None)


def test_what_a_function_has_called_comes_before_its_result(loop: Loop) -> None:
    skip_bug_of_asyncio(
        loop, sys.version_info >= (3, 12), "a function that ends at once overtakes what it called"
    )
    got: list[int] = []

    def call(first: int) -> None:
        for n in range(first, first + 3):
            loop.call_soon_threadsafe(got.append, n)

    async def main() -> None:
        async def one(first: int) -> None:
            await asyncio.to_thread(call, first)
            assert {first, first + 1, first + 2} <= set(got)

        await asyncio.gather(*(one(3 * n) for n in range(300)))

    loop.run_until_complete(main())
    assert sorted(got) == list(range(900))


def test_a_call_before_the_loop_runs(loop: Loop) -> None:
    call = loop.run_in_executor(None, divmod, 17, 5)
    assert loop.run_until_complete(call) == (3, 2)


def test_a_call_of_another_thread(loop: Loop) -> None:
    async def main() -> None:
        made: list[Any] = []
        thread = threading.Thread(
            target=lambda: made.append(loop.run_in_executor(None, divmod, 17, 5))
        )
        thread.start()
        await asyncio.sleep(0)
        thread.join()
        assert await made[0] == (3, 2)

    loop.run_until_complete(main())


def test_loops_in_many_threads(loop_factory: LoopFactory) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(abs, -n) for n in range(100)))

    def run() -> list[int]:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(main())

    with ThreadPoolExecutor(8) as executor:
        for ran in [executor.submit(run) for _ in range(24)]:
            assert ran.result() == list(range(100))


def test_debug_mode_refuses_coroutine_functions(loop: Loop) -> None:
    async def coroutine_function() -> None:
        pass

    async def main() -> None:
        loop.set_debug(True)
        with pytest.raises(TypeError, match="coroutines cannot be used with run_in_executor"):
            loop.run_in_executor(None, coroutine_function)
        with pytest.raises(TypeError, match="callable object was expected by run_in_executor"):
            loop.run_in_executor(None, 3)  # type: ignore[arg-type]
        assert await asyncio.to_thread(abs, -3) == 3

    loop.run_until_complete(main())


def test_what_cannot_be_called(loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="not callable"):
            await loop.run_in_executor(None, 3)  # type: ignore[arg-type]

    loop.run_until_complete(main())


def test_a_subclass(loop_factory: LoopFactory) -> None:
    made = loop_factory()
    called: list[object] = []

    class Counting(type(made)):  # type: ignore[misc]
        def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
            called.append(func)
            return super().run_in_executor(executor, func, *args)

    made.close()

    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(None, abs, -4)

    with asyncio.Runner(loop_factory=Counting) as runner:
        assert runner.run(main()) == 4
    assert called == [abs]


def test_a_signals_handler_that_raises_loses_no_other_call(loop: Loop) -> None:
    """As one does while outcomes are handed on."""
    if not is_ours(loop):
        pytest.skip("asyncio takes a step for each")

    class Interrupting(asyncio.Future[Any]):
        def set_result(self, result: Any) -> None:
            super().set_result(result)
            raise KeyboardInterrupt

    ran: list[int] = []
    calls: list[asyncio.Future[Any]] = []

    def begin() -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(loop, "create_future", lambda: Interrupting(loop=loop))
            loop.run_in_executor(None, ran.append, 0)
        while not ran:
            pass
        calls.extend(loop.run_in_executor(None, ran.append, n) for n in range(1, 6))
        while len(ran) < 6:
            pass

    loop.call_soon(begin)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    run_turns_until(loop, lambda: all(call.done() for call in calls))


def test_no_call_is_left_lying(loop: Loop) -> None:
    """Calls come while threads spin, stop to spin, go to sleep, and sleep, from all sides."""
    chance = random.Random(15)

    async def main() -> None:
        await asyncio.to_thread(int)
        executor = executor_of(loop)
        for n in range(1_500):
            count = chance.choice([1, 1, 1, 2, 3, 5, 20])
            calls: list[Any] = [asyncio.to_thread(abs, -n) for _ in range(count)]
            if chance.random() < 0.2:
                calls.append(asyncio.wrap_future(executor.submit(abs, -n)))
            assert await asyncio.gather(*calls) == [n] * len(calls)
            until = time.perf_counter() + chance.choice([0, 0, 0, 50e-6, 150e-6, 160e-6])
            while time.perf_counter() < until:
                pass

    loop.run_until_complete(main())


def test_a_step_may_wait_for_the_calls_that_it_makes(loop: Loop) -> None:
    async def main() -> None:
        called = threading.Semaphore(0)
        for _ in range(200):
            loop.run_in_executor(None, called.release)
            called.acquire()
        await asyncio.to_thread(int)

    loop.run_until_complete(main())
