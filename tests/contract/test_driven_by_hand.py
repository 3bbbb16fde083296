"""Programs that drive a loop by hand: its queue and its timers are theirs to read and to fill."""

from __future__ import annotations

import asyncio
import asyncio.events
import collections
import heapq
from typing import Any

import pytest

import fournil
from tests.contract.loops import run_turns_until


def test_the_queue_and_the_timers_are_shown(loop: Any) -> None:
    handles = [loop.call_soon(int) for _ in range(3)]
    assert len(loop._ready) == 3
    assert bool(loop._ready)
    assert list(loop._ready) == handles
    assert loop._ready[0] is handles[0]
    assert handles[1] in loop._ready
    timers = [loop.call_later(delay, int) for delay in (3000, 1000, 2000)]
    assert len(loop._scheduled) == 3
    assert loop._scheduled[0] is timers[1]
    timers[1].cancel()
    timers[2].cancel()
    run_turns_until(loop, lambda: not loop._ready)
    assert loop._scheduled[-1] is timers[0]
    timers[0].cancel()


def test_a_loop_that_is_driven_by_hand(loop: Any) -> None:
    """As by nest_asyncio: what is ready is taken from the queue, and timers from their list."""
    ran: list[str] = []
    loop.call_soon(ran.append, "soon")
    loop.call_later(0.001, ran.append, "later")
    loop.call_later(1000, ran.append, "much later").cancel()
    loop.call_soon_threadsafe(loop.call_soon, ran.append, "last")
    asyncio.events._set_running_loop(loop)
    try:
        while len(ran) < 3:
            ready, scheduled = loop._ready, loop._scheduled
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)
            timeout = 0 if ready else max(scheduled[0]._when - loop.time(), 0)
            loop._process_events(loop._selector.select(timeout))
            while scheduled and scheduled[0]._when < loop.time() + loop._clock_resolution:
                ready.append(heapq.heappop(scheduled))
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
    finally:
        asyncio.events._set_running_loop(None)
    assert sorted(ran) == ["last", "later", "soon"]
    assert len(loop._ready) == 0


def test_handles_of_asyncios_making(loop: Any) -> None:
    ran: list[str] = []
    context = None
    handles = [
        asyncio.Handle(ran.append, ("first",), loop, context),
        asyncio.Handle(ran.append, ("cancelled",), loop, context),
        asyncio.Handle(ran.append, ("second",), loop, context),
    ]
    for handle in handles:
        loop._ready.append(handle)
    handles[1].cancel()
    run_turns_until(loop, lambda: len(ran) == 2)
    assert ran == ["first", "second"]
    timer = asyncio.TimerHandle(loop.time(), ran.append, ("timer",), loop, context)
    heapq.heappush(loop._scheduled, timer)
    run_turns_until(loop, lambda: len(ran) == 3)


def test_what_is_no_handle_is_not_queued() -> None:
    loop: Any = fournil.EventLoop()
    with pytest.raises(TypeError, match="is none"):
        loop._ready.append(print)
    loop.close()


def test_a_queue_that_cannot_be_replaced_is_said() -> None:
    loop: Any = fournil.EventLoop()

    class Priority(collections.deque[Any]):
        pass

    with pytest.warns(RuntimeWarning, match="replaces _ready"):
        loop._ready = Priority(loop._ready)
    with pytest.warns(RuntimeWarning, match="replaces _scheduled"):
        loop._scheduled = [1]
    loop.close()
