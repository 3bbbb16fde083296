"""Handles: what they show, how they compare, what they keep alive."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.loops import Loop, run_turn


def callback(*args: object) -> None:
    pass


class Value:
    """Something to which a weak reference can be made."""

    def __call__(self, *args: object) -> None:
        pass


def test_attributes(loop: Loop) -> None:
    context = contextvars.copy_context()
    handle: Any = loop.call_soon(callback, 1, "two", context=context)
    assert handle._callback is callback
    assert handle._args == (1, "two")
    assert handle._loop is loop
    assert handle._context is context
    assert handle._cancelled is False
    assert handle._source_traceback is None

    handle.cancel()
    cancelled: object = (handle._callback, handle._args, handle._cancelled)
    assert cancelled == (None, None, True)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_get_context(loop: Loop) -> None:
    context = contextvars.copy_context()
    handles: list[Any] = [
        loop.call_soon(callback, context=context),
        loop.call_later(0, callback, context=context),
    ]
    assert [handle.get_context() is context for handle in handles] == [True, True]


def test_attributes_of_a_timer(loop: Loop) -> None:
    handle: Any = loop.call_at(when := loop.time() + 60, callback)
    assert handle.when() == when
    assert handle._when == when
    assert handle._scheduled is True
    handle.cancel()
    assert handle.when() == when


def test_when_of_call_later(loop: Loop) -> None:
    before = loop.time()
    handle = loop.call_later(60, callback)
    assert before + 60 <= handle.when() <= loop.time() + 60


def show(handle: asyncio.Handle) -> str:
    """Return a handle's repr without what differs from machine to machine."""
    return repr(handle).replace(__file__, "FILE").replace(f":{LINE}>", ":LINE>")


LINE = callback.__code__.co_firstlineno
ARGUMENTS = "(1, 'two')" if sys.version_info < (3, 13) else "()"


def test_repr(loop: Loop) -> None:
    handle = loop.call_soon(callback, 1, "two")
    assert show(handle) == f"<Handle callback{ARGUMENTS} at FILE:LINE>"
    run_turn(loop)
    assert show(handle) == f"<Handle callback{ARGUMENTS} at FILE:LINE>"
    handle.cancel()
    assert repr(handle) == "<Handle cancelled>"


def test_repr_of_a_timer(loop: Loop) -> None:
    handle = loop.call_at(12.5, callback)
    assert show(handle) == "<TimerHandle when=12.5 callback() at FILE:LINE>"
    handle.cancel()
    assert repr(handle) == "<TimerHandle cancelled when=12.5>"


def test_repr_of_builtins_and_methods(loop: Loop) -> None:
    assert repr(loop.call_soon(print)) == "<Handle print()>"
    assert repr(loop.call_soon(list[None]().append, None)).startswith("<Handle list.append(")
    assert "Value.__call__()" in repr(loop.call_soon(Value().__call__))


def test_repr_in_debug_mode(loop: Loop) -> None:
    loop.set_debug(True)
    line = sys._getframe().f_lineno + 1
    handle: Any = loop.call_soon(callback, 1, "two")
    timer: Any = loop.call_at(12.5, callback)
    assert repr(handle).replace(__file__, "FILE") == (
        f"<Handle callback(1, 'two') at FILE:{LINE} created at FILE:{line}>"
    )
    handle.cancel()
    timer.cancel()
    # It goes on to show what it was made of, for the log of a slow callback.
    assert repr(handle).replace(__file__, "FILE") == (
        f"<Handle cancelled callback(1, 'two') at FILE:{LINE} created at FILE:{line}>"
    )
    assert repr(timer).replace(__file__, "FILE") == (
        f"<TimerHandle cancelled when=12.5 callback() at FILE:{LINE} created at FILE:{line + 1}>"
    )


def test_plain_handles_compare_by_identity(loop: Loop) -> None:
    one, other = loop.call_soon(callback), loop.call_soon(callback)
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


def test_timers_compare(loop: Loop) -> None:
    early, late = loop.call_at(1e9, callback), loop.call_at(2e9, callback)
    twin, stranger = loop.call_at(1e9, callback), loop.call_at(1e9, print)
    assert early < late
    assert late > early
    assert early <= late
    assert late >= early
    assert not early < twin
    assert not early > twin
    assert early == twin
    assert early <= twin
    assert early >= twin
    assert hash(early) == hash(twin)
    assert early != late
    assert early != stranger
    # Neither is before the other, and they are not the same.
    assert not early <= stranger
    assert not early >= stranger
    twin.cancel()
    assert early != twin


@pytest.mark.parametrize(
    "compare",
    [
        lambda handle: handle < 1,
        lambda handle: handle > 1,
        lambda handle: handle <= "",
        lambda handle: handle >= None,
    ],
)
def test_timers_do_not_compare_with_others(loop: Loop, compare: Callable[[Any], bool]) -> None:
    handle = loop.call_later(60, callback)
    with pytest.raises(TypeError):
        compare(handle)
    assert handle != 1
    assert handle is not None


def test_weak_references(loop: Loop) -> None:
    handle = loop.call_soon(callback)
    timer = loop.call_later(60, callback)
    references = weakref.ref(handle), weakref.ref(timer)
    assert references[0]() is handle
    assert references[1]() is timer
    timer.cancel()
    run_turn(loop)
    del handle, timer
    gc.collect()
    # asyncio keeps some cancelled timers until they would have fired.
    assert references[0]() is None


def test_a_cancelled_handle_lets_go_of_its_callback_at_once(loop: Loop) -> None:
    value, argument = Value(), Value()
    references = weakref.ref(value), weakref.ref(argument)
    handle = loop.call_soon(value, argument)
    timer = loop.call_later(60, value, argument)
    del value, argument
    assert None not in (references[0](), references[1]())
    handle.cancel()
    timer.cancel()
    assert (references[0](), references[1]()) == (None, None)


def test_a_handle_that_ran_is_let_go_of(loop: Loop) -> None:
    value = Value()
    reference = weakref.ref(value)
    loop.call_soon(value)
    loop.call_at(loop.time(), value)
    del value
    for _ in range(3):
        run_turn(loop)
    assert reference() is None


def test_are_asyncio_s_to_isinstance(loop: Loop) -> None:
    soon, later = loop.call_soon(callback), loop.call_later(60, callback)
    threadsafe = loop.call_soon_threadsafe(callback)
    assert [isinstance(handle, asyncio.Handle) for handle in (soon, later, threadsafe)] == [
        True
    ] * 3
    assert isinstance(later, asyncio.TimerHandle)
    assert not isinstance(soon, asyncio.TimerHandle)
    assert not isinstance(threadsafe, asyncio.TimerHandle)
