"""Making loops: with a selector, by subclasses, by policies and runners."""

from __future__ import annotations

import asyncio
import selectors
import warnings
from typing import Any
from unittest import mock

import pytest

from tests.contract.loops import Loop, LoopFactory, run_turn, run_turns_until


@pytest.mark.parametrize(
    "make", [selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector]
)
def test_with_a_selector(loop_factory: Any, make: type[selectors.BaseSelector]) -> None:
    for loop in (loop_factory(make()), loop_factory(selector=make()), loop_factory(None)):
        assert loop.run_until_complete(asyncio.sleep(0.001, "done")) == "done"
        loop.close()


def test_a_selector_is_closed_with_the_loop(loop_factory: Any) -> None:
    selector = selectors.EpollSelector()
    loop = loop_factory(selector)
    loop.close()
    assert selector.get_map() is None


def test_it_is_a_loop_of_asyncio(loop: Loop) -> None:
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert isinstance(loop, asyncio.BaseEventLoop)
    assert isinstance(loop, asyncio.SelectorEventLoop)


def test_a_subclass_with_methods_of_its_own(loop_factory: Any) -> None:
    class Loop(loop_factory):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            self.calls: list[str] = []

        def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
            self.calls.append("call_soon")
            handle: asyncio.Handle = super().call_soon(callback, *args, context=context)
            return handle

        def call_exception_handler(self, context: dict[str, Any]) -> None:
            self.calls.append(str(context["exception"]))

    loop = Loop("own")
    assert loop.name == "own"
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    assert "call_soon" in loop.calls

    def fail() -> None:
        raise ValueError("handled by the subclass")

    loop.call_soon(fail)
    run_turn(loop)
    assert "handled by the subclass" in loop.calls
    loop.close()


def test_a_subclass_with_a_time_of_its_own(loop_factory: Any) -> None:
    class Loop(loop_factory):  # type: ignore[misc]
        moment = 1000.0

        def time(self) -> float:
            return self.moment

    loop = Loop()
    ran: list[str] = []
    assert loop.call_later(5, ran.append, "later").when() == 1005.0
    loop.call_at(1003, ran.append, "at")
    run_turn(loop)
    assert ran == []
    loop.moment = 1004.0
    run_turn(loop)
    run_turn(loop)
    assert ran == ["at"]
    loop.moment = 1005.0
    run_turns_until(loop, lambda: len(ran) == 2)
    loop.close()


def test_a_time_that_is_put_into_a_loop(loop: Any) -> None:
    ran: list[str] = []
    begun = loop.time()
    due = loop.call_later(3600, ran.append, "an hour later").when()
    with mock.patch.object(loop, "time", return_value=begun + 1800):
        assert loop.call_later(60, print).when() == begun + 1860
        run_turn(loop)
        assert ran == []
        loop.time.return_value = due
        run_turns_until(loop, lambda: len(ran) == 1)
    loop.call_later(60, ran.append, "of its own time")
    run_turn(loop)
    assert ran == ["an hour later"]
    assert begun <= loop.time() < begun + 1800


def test_a_create_future_that_is_put_into_a_loop(loop: Any) -> None:
    made: list[asyncio.Future[None]] = []

    def make() -> asyncio.Future[None]:
        made.append(asyncio.Future(loop=loop))
        return made[-1]

    async def main() -> None:
        loop.create_future = make
        await asyncio.sleep(0.001)
        assert len(made) == 1
        del loop.create_future
        await asyncio.sleep(0.001)
        assert len(made) == 1

    loop.run_until_complete(main())
    with pytest.raises(AttributeError):
        del loop.create_future


def test_a_time_that_fails_ends_the_loop(loop_factory: Any) -> None:
    class Loop(loop_factory):  # type: ignore[misc]
        broken = False

        def time(self) -> float:
            if self.broken:
                raise ZeroDivisionError("in time()")
            return 1.0

    loop = Loop()
    handle = loop.call_later(5, print)
    loop.broken = True
    with pytest.raises(ZeroDivisionError):
        loop.run_forever()
    with pytest.raises(ZeroDivisionError):
        loop.call_later(1, print)
    loop.broken = False
    handle.cancel()
    assert not loop.is_running()
    loop.close()


def test_attributes_can_be_set(loop: Any) -> None:
    loop.anything = 1
    assert loop.anything == 1
    assert loop.slow_callback_duration == 0.1


def test_a_runner(loop_factory: LoopFactory) -> None:
    async def main() -> object:
        return asyncio.get_running_loop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(main()) is runner.get_loop()
        assert runner.run(main()) is runner.get_loop()
    with pytest.raises(RuntimeError, match="Runner is closed"):
        runner.get_loop()


def test_a_policy(loop_factory: LoopFactory) -> None:
    with warnings.catch_warnings():
        # Policies go away in CPython 3.16.
        warnings.simplefilter("ignore", DeprecationWarning)

        class Policy(asyncio.DefaultEventLoopPolicy):
            def new_event_loop(self) -> asyncio.AbstractEventLoop:
                return loop_factory()

        async def main() -> type:
            return type(asyncio.get_running_loop())

        asyncio.set_event_loop_policy(Policy())
        try:
            assert asyncio.run(main()) is loop_factory
        finally:
            asyncio.set_event_loop_policy(None)
