"""Programs that put something of theirs in the place of the default executor, or of its parts."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.executors import executor_of
from tests.contract.loops import Loop

BaseLoop: Any = asyncio.BaseEventLoop


def test_an_executor_that_is_set(loop: Loop) -> None:
    with pytest.raises(TypeError, match="executor must be ThreadPoolExecutor instance"):
        loop.set_default_executor(concurrent.futures.Executor())  # type: ignore[arg-type]
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

    def replacement(*args: Any) -> int:
        return start(*args)

    monkeypatch.setattr(_thread, "start_new_thread", replacement)
    assert loop.run_until_complete(asyncio.wait_for(asyncio.to_thread(abs, -3), None)) == 3
    assert type(executor_of(loop)) is ThreadPoolExecutor
