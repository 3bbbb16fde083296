"""The default executor: who asks it what, and what becomes of its calls and threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import gc
import random
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import fournil
from tests.contract.loops import (
    Loop,
    LoopFactory,
    Reports,
    run_turn,
    run_turns_until,
    skip_bug_of_asyncio,
)

BaseLoop: Any = asyncio.BaseEventLoop


def is_ours(loop: Loop) -> bool:
    return isinstance(loop, fournil.EventLoop)


def executor_of(loop: Any) -> Any:
    return loop._default_executor


class Held:
    """All threads of a default executor, each in a call that waits."""

    def __init__(self, loop: Loop) -> None:
        self.released = threading.Event()
        loop.run_until_complete(loop.run_in_executor(None, int))
        self.calls = [self.hold(loop) for _ in range(executor_of(loop)._max_workers)]

    def hold(self, loop: Loop) -> asyncio.Future[bool]:
        began = threading.Event()

        def call() -> bool:
            began.set()
            return self.released.wait()

        async def main() -> asyncio.Future[bool]:
            held = loop.run_in_executor(None, call)
            while not began.is_set():
                await asyncio.sleep(0.0001)
            return held

        return loop.run_until_complete(main())


@pytest.fixture
def held(loop: Loop) -> Iterator[Held]:
    held = Held(loop)
    yield held
    held.released.set()


# What code finds that looks for it.


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


# Outcomes.


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


# Cancelling.


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


# Whoever calls, and when.


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


# What a program puts in the place of its parts.


def test_an_executor_that_is_set(loop: Loop) -> None:
    with pytest.raises(TypeError, match="executor must be ThreadPoolExecutor instance"):
        loop.set_default_executor(concurrent.futures.Executor())
    assert executor_of(loop) is None
    submitted: list[object] = []

    class Mine(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            submitted.append(fn)
            return super().submit(fn, *args, **kwargs)

    async def main() -> None:
        await loop.run_in_executor(None, int)
        first = executor_of(loop)
        loop.set_default_executor(Mine())
        await loop.run_in_executor(None, float)
        first.shutdown()

    loop.run_until_complete(main())
    assert submitted == [float]


class PassingOn:
    """A wrapper that has all attributes of what it wraps."""

    def __init__(self, wrapped: Any, called: list[object], owner: Any = None) -> None:
        self.wrapped, self.called, self.owner = wrapped, called, owner

    def __get__(self, owner: Any, kind: type | None = None) -> PassingOn:
        return PassingOn(self.wrapped, self.called, owner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def __call__(self, *args: Any) -> Any:
        self.called.append(args[-1])
        return self.wrapped(*args) if self.owner is None else self.wrapped(self.owner, *args)


@pytest.mark.parametrize(
    ("owner", "name"), [(BaseLoop, "run_in_executor"), (ThreadPoolExecutor, "submit")]
)
def test_methods_that_are_replaced(loop: Loop, owner: Any, name: str) -> None:
    original = getattr(owner, name)
    called: list[object] = []

    @functools.wraps(original)
    def replacement(self: Any, *args: Any) -> Any:
        called.append(args[-1])
        return original(self, *args)

    async def main() -> None:
        for n, method in enumerate((replacement, PassingOn(original, called))):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(owner, name, method)
                await asyncio.sleep(0)
                await loop.run_in_executor(None, abs, n)
            await asyncio.sleep(0)
            await loop.run_in_executor(None, abs, 99)

    loop.run_until_complete(main())
    assert called == [0, 1]


def test_a_method_of_the_executor_alone_that_is_replaced(loop: Loop) -> None:
    called: list[object] = []

    async def main() -> None:
        await loop.run_in_executor(None, abs, 0)
        executor = executor_of(loop)
        original = executor.submit

        def replacement(*args: Any) -> Any:
            called.append(args[-1])
            return original(*args)

        executor.submit = replacement
        await loop.run_in_executor(None, abs, 1)

    loop.run_until_complete(main())
    assert called == [1]


def test_a_class_that_is_replaced(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(ThreadPoolExecutor):
        pass

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Mine)
    loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(int), None))
    assert type(executor_of(loop)) is Mine


def test_threads_that_are_replaced(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    start = _thread.start_new_thread
    monkeypatch.setattr(_thread, "start_new_thread", lambda *args: start(*args))
    assert loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(abs, -3), None)) == 3
    assert type(executor_of(loop)) is ThreadPoolExecutor


# Ends.


def test_after_its_shutdown(loop: Loop) -> None:
    async def main() -> None:
        thread = await asyncio.to_thread(threading.current_thread)
        calls = [asyncio.ensure_future(asyncio.to_thread(abs, -n)) for n in range(50)]
        await asyncio.sleep(0)
        await loop.shutdown_default_executor()
        assert not thread.is_alive()
        assert await asyncio.gather(*calls) == list(range(50))
        with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
            await asyncio.to_thread(int)
        await loop.shutdown_default_executor()

    loop.run_until_complete(main())


def test_a_shutdown_with_nothing_to_shut_down(loop: Loop) -> None:
    loop.run_until_complete(loop.shutdown_default_executor())
    assert executor_of(loop) is None
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, int)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="it has a timeout since CPython 3.12")
def test_a_shutdown_that_takes_too_long(loop: Loop, held: Held) -> None:
    shut: Any = loop.shutdown_default_executor
    with pytest.warns(RuntimeWarning, match="within 0.01 seconds"):
        loop.run_until_complete(shut(timeout=0.01))
    with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
        loop.run_in_executor(None, int)
    held.released.set()
    for thread in executor_of(loop)._threads:
        thread.join()


def test_a_loop_that_is_closed_while_calls_run(
    loop: Loop, held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []
    reports = Reports()
    loop.set_exception_handler(reports)

    async def main() -> None:
        for n in range(20):
            loop.run_in_executor(None, ran.append, n)

    loop.run_until_complete(main())
    threads = set(executor_of(loop)._threads)
    loop.close()
    assert executor_of(loop) is None
    for call in (lambda: loop.run_in_executor(None, int), lambda: asyncio.run(run_in(loop))):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()
    held.released.set()
    for thread in threads:
        thread.join()
    # They are run all the same.
    assert sorted(ran) == list(range(20))
    held.calls.clear()
    gc.collect()
    assert reports == []
    assert not caplog.records


async def run_in(loop: Loop) -> None:
    await loop.run_in_executor(None, int)


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_threads_end_with_a_loop_that_nobody_closed(loop_factory: LoopFactory) -> None:
    def use() -> Any:
        loop = loop_factory()
        return loop.run_until_complete(loop.run_in_executor(None, threading.current_thread))

    thread = use()
    gc.collect()
    thread.join()


@contextlib.contextmanager
def no_more_threads() -> Iterator[None]:
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        yield


def test_no_thread_can_be_started(loop: Loop) -> None:
    ran: list[int] = []

    async def main() -> None:
        with no_more_threads(), pytest.raises(RuntimeError, match="can't start new thread"):
            await loop.run_in_executor(None, ran.append, 1)
        await loop.run_in_executor(None, ran.append, 2)

    loop.run_until_complete(main())
    # CPython's leaves it in the queue.
    assert ran == ([2] if is_ours(loop) else [1, 2])


def test_no_more_threads_can_be_started(loop: Loop) -> None:
    if not is_ours(loop):
        pytest.skip("CPython's raises, and runs the call nevertheless")
    released = threading.Event()

    async def main() -> list[int]:
        waiting = loop.run_in_executor(None, released.wait)
        with no_more_threads():
            calls = [loop.run_in_executor(None, abs, -n) for n in range(5)]
        released.set()
        await waiting
        return await asyncio.gather(*calls)

    assert loop.run_until_complete(main()) == list(range(5))


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
