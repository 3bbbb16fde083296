"""Programs that put something of theirs in the place of asyncio's parts: it is called as there."""

from __future__ import annotations

import asyncio
import asyncio.events
import collections
import functools
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import fournil
from fournil.observe.report.publish import load
from tests.contract.loops import LOOPS, Loop, run_turns_until

BaseLoop: Any = asyncio.BaseEventLoop


@pytest.fixture(params=[*LOOPS.values()], ids=[*LOOPS])
def loop_type(request: pytest.FixtureRequest) -> Any:
    return request.param


async def do_all(loop: Any) -> list[str]:
    """Have each kind of handle run; return what ran."""
    ran: list[str] = []
    one, other = socket.socketpair()
    one.setblocking(False)
    read = loop.create_future()

    class Reading(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            ran.append("transport")
            read.set_result(None)

    with other:
        loop.call_soon(ran.append, "soon")
        loop.call_soon_threadsafe(ran.append, "threadsafe")
        loop.call_later(0, ran.append, "later")
        loop.call_later(0.001, ran.append, "timer")
        loop.call_at(loop.time(), ran.append, "at")
        loop.call_soon(ran.append, "cancelled").cancel()
        loop.call_later(0.001, ran.append, "cancelled").cancel()
        thread = threading.Thread(
            target=loop.call_soon_threadsafe, args=(ran.append, "from a thread")
        )
        thread.start()
        await loop.create_task(asyncio.sleep(0.002))
        transport, _ = await loop.create_connection(Reading, sock=one)
        other.send(b"x")
        await read
        transport.close()
        ran.append(await loop.run_in_executor(None, str, "executor"))
        thread.join()
        readable = asyncio.Event()
        third, fourth = socket.socketpair()
        with third, fourth:
            loop.add_reader(third, readable.set)
            fourth.send(b"x")
            await readable.wait()
            loop.remove_reader(third)
            third.setblocking(False)
            assert await loop.sock_recv(third, 1) == b"x"
            receiving = loop.create_task(loop.sock_recv(third, 1))
            await asyncio.sleep(0)
            fourth.send(b"y")
            assert await receiving == b"y"
    return sorted(ran)


ALL = sorted(
    ["soon", "threadsafe", "later", "timer", "at", "from a thread", "transport", "executor"]
)


def run_all(loop: Loop) -> None:
    ran = loop.run_until_complete(asyncio.wait_for(do_all(loop), 30))
    assert ran == ALL


@pytest.mark.parametrize("wraps", [False, True])
def test_the_run_of_handles(loop: Loop, monkeypatch: pytest.MonkeyPatch, wraps: bool) -> None:
    original = asyncio.events.Handle._run
    seen: collections.Counter[str] = collections.Counter()

    def traced(self: Any) -> None:
        assert isinstance(self, asyncio.Handle)
        assert getattr(self, "_callback") is not None  # noqa: B009  # type stubs leave it out
        assert isinstance(self._args, tuple)
        assert "Handle" in repr(self)
        seen[type(self._args[0]).__name__ if self._args else "none"] += 1
        original(self)

    monkeypatch.setattr(
        asyncio.events.Handle, "_run", functools.wraps(original)(traced) if wraps else traced
    )
    run_all(loop)
    assert seen["str"] >= 5
    assert sum(seen.values()) > 15
    monkeypatch.undo()
    before = sum(seen.values())
    run_all(loop)
    assert sum(seen.values()) == before


def test_the_run_of_handles_in_the_middle_of_a_run(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = asyncio.events.Handle._run
    seen: list[Any] = []

    def traced(self: Any) -> None:
        seen.append(self)
        original(self)

    async def main() -> None:
        await asyncio.sleep(0)
        monkeypatch.setattr(asyncio.events.Handle, "_run", traced)
        assert await do_all(loop) == ALL
        monkeypatch.undo()
        await asyncio.sleep(0)
        before = len(seen)
        await asyncio.sleep(0)
        assert len(seen) == before

    loop.run_until_complete(main())
    assert len(seen) > 15


def test_an_exception_under_a_patched_run(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.events.Handle, "_run", anothers(asyncio.events.Handle._run))
    reports: list[Any] = []
    loop.set_exception_handler(lambda loop, context: reports.append(context))
    loop.call_soon(int, "nonsense")
    run_turns_until(loop, lambda: reports)
    assert isinstance(reports[0]["exception"], ValueError)
    assert "in callback int('nonsense')" in reports[0]["message"] or not loop.get_debug()
    loop.call_soon(interrupt)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()


def interrupt() -> None:
    raise KeyboardInterrupt


def anothers(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the program's that does what one of asyncio's does."""

    def function(*args: Any, **options: Any) -> Any:
        return original(*args, **options)

    return function


METHODS = ["call_soon", "call_soon_threadsafe", "call_later", "call_at", "create_task", "time"]


@pytest.mark.parametrize("name", [*METHODS, "create_future"])
def test_a_method_of_asyncios_loop(
    loop_factory: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    original = getattr(BaseLoop, name)
    called: list[str] = []

    @functools.wraps(original)
    def traced(self: Any, *args: Any, **options: Any) -> Any:
        called.append(name)
        return original(self, *args, **options)

    early = loop_factory()
    monkeypatch.setattr(BaseLoop, name, traced)
    late = loop_factory()
    for loop in (early, late):
        run_all(loop)
        assert called
        called.clear()
    monkeypatch.undo()
    run_all(early)
    assert called == []
    for loop in (early, late):
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_all_methods_of_asyncios_loop(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in METHODS:
        monkeypatch.setattr(BaseLoop, name, anothers(getattr(BaseLoop, name)))
    run_all(loop)


def test_what_the_program_put_into_one_loop_stays(
    loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    own = loop.call_soon

    def traced(callback: Any, *args: Any, **options: Any) -> Any:
        called.append(callback)
        return own(callback, *args, **options)

    loop.call_soon = traced
    monkeypatch.setattr(BaseLoop, "call_soon", anothers(BaseLoop.call_soon))
    run_all(loop)
    assert called
    del loop.call_soon
    called.clear()
    run_all(loop)
    assert called == []


def test_whole_turns(loop_type: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    original = BaseLoop._run_once

    def patched(self: Any) -> None:
        turns.append("patched")
        original(self)

    class Counting(loop_type):  # type: ignore[misc]
        def _run_once(self) -> None:
            turns.append("subclass")
            super()._run_once()

    def of_the_loop() -> None:
        turns.append("instance")
        once()

    monkeypatch.setattr(BaseLoop, "_run_once", patched)
    with_patch = loop_type()
    run_all(with_patch)
    assert set(turns) == {"patched"}
    monkeypatch.undo()
    turns.clear()
    with_subclass = Counting()
    run_all(with_subclass)
    assert set(turns) == {"subclass"}
    turns.clear()
    with_own = loop_type()
    once = with_own._run_once
    with_own._run_once = of_the_loop
    run_all(with_own)
    assert set(turns) == {"instance"}
    del with_own._run_once
    for loop in (with_patch, with_subclass, with_own):
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class Asked(selectors.DefaultSelector):
    """A selector of a program's own."""

    timeouts: list[float | None]

    def __init__(self) -> None:
        super().__init__()
        self.timeouts = []

    def select(self, timeout: float | None = None) -> Any:
        self.timeouts.append(timeout)
        return super().select(timeout)


def test_a_selector_of_the_programs_own(loop_type: Any) -> None:
    selector = Asked()
    loop = loop_type(selector)
    assert loop._selector is selector
    run_all(loop)
    assert len(selector.timeouts) > 5
    assert any(timeout for timeout in selector.timeouts)
    assert any(timeout == 0 for timeout in selector.timeouts)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    with pytest.raises((KeyError, RuntimeError, ValueError)):
        selector.get_key(0)


def test_what_took_the_place_of_the_default_selector(
    loop_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", Asked)
    loop = loop_type()
    run_all(loop)
    assert loop._selector.timeouts
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.mark.parametrize("kind", [selectors.SelectSelector, selectors.PollSelector])
def test_a_selector_of_the_standard_library(loop_type: Any, kind: Any) -> None:
    loop = loop_type(kind())
    run_all(loop)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_select_that_is_put_into_the_selector(loop: Any) -> None:
    original = loop._selector.select
    timeouts: list[float | None] = []

    def traced(timeout: float | None = None) -> Any:
        timeouts.append(timeout)
        return original(timeout)

    loop._selector.select = traced
    run_all(loop)
    assert len(timeouts) > 5


def test_a_select_that_lets_other_threads_run_first(loop: Any) -> None:
    """What they have called by then is not waited for."""
    original = loop._selector.select
    called = threading.Event()
    asked = threading.Event()

    def hooked(timeout: float | None = None) -> Any:
        if timeout is None:
            asked.set()
            called.wait(30)
        return original(timeout)

    def call() -> None:
        asked.wait(30)
        loop.call_soon_threadsafe(loop.stop)
        called.set()

    loop._selector.select = hooked
    thread = threading.Thread(target=call)
    thread.start()
    loop.run_forever()
    thread.join()


def test_events_that_are_processed_by_others(loop_type: Any) -> None:
    processed: list[Any] = []

    class Processing(loop_type):  # type: ignore[misc]
        def _process_events(self, event_list: Any) -> None:
            processed.append(event_list)
            super()._process_events(event_list)

    loop = Processing()
    run_all(loop)
    assert any(processed)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def test_a_frozen_clock(loop: Loop) -> None:
    async def main() -> None:
        moment = 1000.0
        with mock.patch("time.monotonic", lambda: moment):  # noqa: PT008
            assert loop.time() == moment
            fired: list[str] = []
            loop.call_later(10, fired.append, "later")
            loop.call_at(1005, fired.append, "at")
            for _ in range(3):
                await asyncio.sleep(0)
            assert fired == []
            moment = 1005.0
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert fired == ["at"]
            moment = 1010.0
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert fired == ["at", "later"]
        assert abs(loop.time() - time.monotonic()) < 100

    loop.run_until_complete(main())


@pytest.mark.parametrize("patch", ["handles", "select", "call_soon", "turns"])
def test_steps_are_recorded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch: str
) -> None:
    def block() -> None:
        time.sleep(0.05)

    async def main() -> None:
        loop.call_soon(block)
        await asyncio.sleep(0.001)
        await asyncio.get_running_loop().create_task(blocking(), name="blocking")

    async def blocking() -> None:
        time.sleep(0.05)

    loop: Any = fournil.EventLoop()
    if patch == "handles":
        monkeypatch.setattr(asyncio.events.Handle, "_run", anothers(asyncio.events.Handle._run))
    elif patch == "select":
        loop._selector.select = anothers(loop._selector.select)
    elif patch == "turns":
        monkeypatch.setattr(BaseLoop, "_run_once", anothers(BaseLoop._run_once))
    else:
        monkeypatch.setattr(BaseLoop, "call_soon", anothers(BaseLoop.call_soon))
    path = tmp_path / "recording"
    with fournil.Recorder(path, threshold=0.03, watch=False):
        loop.run_until_complete(main())
    loop.close()
    recording = load(str(path)).recording
    sites = [recording.site_of(step.subject) for step in recording.blocked]
    names = [site.function.rpartition(".")[2] for site in sites if site is not None]
    assert sorted(names) == ["block", "blocking"]


@pytest.fixture(autouse=True)
def nothing_is_left_patched() -> Iterator[None]:
    originals = {name: BaseLoop.__dict__[name] for name in [*METHODS, "_run_once"]}
    yield
    assert all(BaseLoop.__dict__[name] is method for name, method in originals.items())
