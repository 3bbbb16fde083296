"""call_soon: in which order, with which arguments, in which context; and cancelling."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from typing import Any

import pytest

from tests.contract.loops import Loop, Reports, run_turn, run_turns_until

variable = contextvars.ContextVar("variable", default="unset")


def test_runs_in_order(loop: Loop) -> None:
    ran: list[int] = []
    for number in range(1000):
        loop.call_soon(ran.append, number)
    run_turn(loop)
    assert ran == list(range(1000))


def test_what_a_turn_schedules_runs_in_the_next(loop: Loop) -> None:
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        loop.call_soon(third)

    def third() -> None:
        ran.append("third")
        loop.call_soon(ran.append, "fourth")

    loop.call_soon(first)
    loop.call_soon(ran.append, "second")
    run_turn(loop)
    assert ran == ["first", "second"]
    run_turn(loop)
    assert ran == ["first", "second", "third"]
    run_turn(loop)
    assert ran == ["first", "second", "third", "fourth"]


def test_nothing_runs_before_the_loop_does(loop: Loop) -> None:
    ran: list[None] = []
    loop.call_soon(ran.append, None)
    assert ran == []
    run_turn(loop)
    assert ran == [None]


@pytest.mark.parametrize("args", [(), (1,), (1, "two", None), tuple(range(40))])
def test_arguments(loop: Loop, args: tuple[Any, ...]) -> None:
    got: list[tuple[Any, ...]] = []
    loop.call_soon(lambda *args: got.append(args), *args)
    run_turn(loop)
    assert got == [args]


def test_only_the_context_is_a_keyword(loop: Loop) -> None:
    with pytest.raises(TypeError):
        loop.call_soon(print, end="")  # type: ignore[call-arg]
    run_turn(loop)


def test_callables_of_all_kinds(loop: Loop) -> None:
    class Callable:
        def __call__(self, number: int) -> None:
            ran.append(number)

        def method(self, number: int) -> None:
            ran.append(number)

        @classmethod
        def of_class(cls, number: int) -> None:
            ran.append(number)

    ran: list[int] = []
    instance = Callable()
    callbacks: list[Any] = [
        instance,
        instance.method,
        instance.of_class,
        ran.append,
        functools.partial(ran.append),
    ]
    for number, callback in enumerate(callbacks):
        loop.call_soon(callback, number)
    run_turn(loop)
    assert ran == [0, 1, 2, 3, 4]


def test_what_cannot_be_called_is_an_error_of_the_callback(loop: Loop) -> None:
    reports = Reports()
    loop.set_exception_handler(reports)
    loop.call_soon(42)  # type: ignore[arg-type]
    run_turn(loop)
    assert [type(report["exception"]) for report in reports] == [TypeError]


def test_a_growing_queue_keeps_its_order(loop: Loop) -> None:
    # The queue's storage wraps around and grows while it is in use.
    ran: list[int] = []
    scheduled = 0

    def schedule(more: int) -> None:
        nonlocal scheduled
        for _ in range(more):
            loop.call_soon(ran.append, scheduled)
            scheduled += 1

    for more in (100, 250, 3, 5000, 1, 700):
        loop.call_soon(schedule, more)
        schedule(17)
        run_turn(loop)
    run_turns_until(loop, lambda: len(ran) == scheduled)
    assert ran == list(range(scheduled))


def test_context_is_copied_when_scheduled(loop: Loop) -> None:
    seen: list[str] = []

    def look() -> None:
        seen.append(variable.get())
        variable.set("changed inside")

    variable.set("at the call")
    loop.call_soon(look)
    loop.call_soon(look)
    variable.set("after the call")
    run_turn(loop)
    assert seen == ["at the call", "at the call"]
    assert variable.get() == "after the call"


def test_explicit_context_is_used_itself(loop: Loop) -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "explicit")
    seen: list[str] = []

    def look() -> None:
        seen.append(variable.get())
        variable.set(variable.get() + "+")

    loop.call_soon(look, context=context)
    loop.call_later(0, look, context=context)
    loop.call_at(loop.time(), look, context=context)
    loop.call_soon_threadsafe(look, context=context)
    run_turns_until(loop, lambda: len(seen) == 4)
    assert seen == ["explicit", "explicit+", "explicit++", "explicit+++"]
    assert context[variable] == "explicit++++"


def test_context_of_callbacks_of_callbacks(loop: Loop) -> None:
    seen: list[str] = []

    def outer() -> None:
        variable.set("outer")
        loop.call_soon(inner)

    def inner() -> None:
        seen.append(variable.get())
        variable.set("inner")
        loop.call_soon(lambda: seen.append(variable.get()))

    variable.set("test")
    loop.call_soon(outer)
    for _ in range(3):
        run_turn(loop)
    assert seen == ["outer", "inner"]
    assert variable.get() == "test"


def test_a_context_that_is_entered_already(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    context = contextvars.copy_context()
    ran: list[int] = []
    loop.call_soon(ran.append, 1, context=context)
    loop.call_soon(ran.append, 2)
    context.run(run_turn, loop)
    assert ran == [2]
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "is already entered" in str(record.exc_info[1])


def test_what_is_no_context_is_an_error_of_the_callback(loop: Loop) -> None:
    loop.set_exception_handler(reports := Reports())
    try:
        loop.call_soon(print, context="nonsense")  # type: ignore[arg-type]
    except TypeError:
        return
    run_turn(loop)
    assert len(reports) == 1


def test_cancel_before_it_runs(loop: Loop) -> None:
    ran: list[int] = []
    handles = [loop.call_soon(ran.append, number) for number in range(5)]
    handles[1].cancel()
    handles[3].cancel()
    handles[3].cancel()
    run_turn(loop)
    assert ran == [0, 2, 4]
    assert [handle.cancelled() for handle in handles] == [False, True, False, True, False]


def test_cancel_within_the_turn(loop: Loop) -> None:
    ran: list[str] = []

    def cancel_the_next() -> None:
        handle.cancel()

    loop.call_soon(cancel_the_next)
    handle = loop.call_soon(ran.append, "cancelled")
    loop.call_soon(ran.append, "not cancelled")
    run_turn(loop)
    assert ran == ["not cancelled"]


def test_cancel_while_it_runs(loop: Loop) -> None:
    ran: list[object] = []

    def callback(argument: object) -> None:
        handle.cancel()
        ran.append(argument)

    handle = loop.call_soon(callback, argument := object())
    del callback
    run_turn(loop)
    assert ran == [argument]
    assert handle.cancelled()


def test_cancel_while_it_runs_and_fails(loop: Loop) -> None:
    def callback() -> None:
        handle.cancel()
        raise ValueError("after the cancel")

    loop.set_exception_handler(reports := Reports())
    handle = loop.call_soon(callback)
    run_turn(loop)
    assert [str(report["exception"]) for report in reports] == ["after the cancel"]


def test_cancel_after_it_ran(loop: Loop) -> None:
    ran: list[None] = []
    handle = loop.call_soon(ran.append, None)
    run_turn(loop)
    assert not handle.cancelled()
    handle.cancel()
    assert handle.cancelled()
    run_turn(loop)
    assert ran == [None]


def test_callbacks_of_futures_run_in_the_next_turn(loop: Loop) -> None:
    ran: list[object] = []
    future: asyncio.Future[int] = loop.create_future()
    for _ in range(3):
        future.add_done_callback(ran.append)
    future.set_result(1)
    assert ran == []
    run_turn(loop)
    assert ran == [future] * 3
