"""What Fournil's loop promises beyond asyncio's."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import socket
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil._native.handles import Handle, TimerHandle
from fournil._native.poller import Poller
from fournil._native.ready import ReadyQueue
from fournil.observe.report.publish import load


@pytest.fixture
def loop() -> Iterator[fournil.EventLoop]:
    loop = fournil.EventLoop()
    yield loop
    loop.close()


def run_turn(loop: fournil.EventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_timers_of_one_moment_run_in_the_order_in_which_they_were_set(
    loop: fournil.EventLoop,
) -> None:
    ran: list[int] = []
    rng = random.Random(1)
    moments = [loop.time() - 1 + n / 1e6 for n in range(3)]
    expected: dict[float, list[int]] = {moment: [] for moment in moments}
    handles = {}
    for number in range(1000):
        moment = rng.choice(moments)
        expected[moment].append(number)
        handles[number] = loop.call_at(moment, ran.append, number)
    for number in rng.sample(range(1000), 300):
        handles[number].cancel()
        for each in expected.values():
            if number in each:
                each.remove(number)
    run_turn(loop)
    run_turn(loop)
    assert ran == [number for moment in moments for number in expected[moment]]


def test_a_cancelled_timer_is_forgotten_at_once(loop: fournil.EventLoop) -> None:
    handle = loop.call_later(3600, print)
    reference = weakref.ref(handle)
    seen = [handle._scheduled]
    handle.cancel()
    seen.append(handle._scheduled)
    assert seen == [True, False]
    del handle
    assert reference() is None


def test_a_timer_that_ran_is_not_scheduled(loop: fournil.EventLoop) -> None:
    handle = loop.call_at(0, int)
    run_turn(loop)
    run_turn(loop)
    assert not handle._scheduled


def test_handles_are_of_its_own_types(loop: fournil.EventLoop) -> None:
    assert type(loop.call_soon(int)) is Handle
    assert isinstance(loop.call_soon_threadsafe(int), Handle)
    timer = loop.call_later(3600, int)
    assert type(timer) is TimerHandle
    timer.cancel()


@pytest.mark.parametrize("remove", [True, False])
def test_a_number_used_again_behind_the_loops_back(loop: fournil.EventLoop, remove: bool) -> None:
    one, other = socket.socketpair()
    fd = one.fileno()
    got: list[bytes] = []
    loop.add_reader(fd, print, "never")
    one.close()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    os.dup2(reader, fd)
    # The kernel forgot the socket, and nobody told the loop.
    if remove:
        loop.remove_reader(fd)
    loop.add_reader(fd, lambda: got.append(os.read(fd, 10)))
    os.write(writer, b"x")
    while not got:
        run_turn(loop)
    assert got == [b"x"]
    assert loop.remove_reader(fd)
    for number in {reader, writer, fd}:
        os.close(number)
    other.close()


def test_a_change_that_the_kernel_refuses_leaves_nothing(loop: fournil.EventLoop) -> None:
    one, other = socket.socketpair()
    fd = one.fileno()
    loop.add_reader(fd, print)
    one.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_writer(fd, print)
    assert fd not in loop._selector.get_map()
    other.close()


def test_the_selector_is_only_a_view(loop: fournil.EventLoop) -> None:
    selector: Any = loop._selector
    with pytest.raises(RuntimeError, match="add_reader"):
        selector.register(0, 1)
    with pytest.raises(RuntimeError, match="remove_reader"):
        selector.unregister(0)
    assert selector.select(0) == []
    assert selector.fileno() > 0


def test_the_epoll_descriptor_can_be_waited_for(loop: fournil.EventLoop) -> None:
    # As a program does that has a loop of a library of its own.
    outer = asyncio.SelectorEventLoop()
    one, other = socket.socketpair()
    loop.add_reader(one, lambda: one.recv(10))
    outer.add_reader(loop._selector.fileno(), outer.stop)  # type: ignore[attr-defined]
    other.send(b"x")
    outer.run_forever()
    outer.close()
    for end in (one, other):
        end.close()


def test_run_once_is_one_turn(loop: fournil.EventLoop) -> None:
    # As programs do that drive a loop by hand.
    ran: list[int] = []
    loop.call_soon(lambda: loop.call_soon(ran.append, 2))
    loop.call_soon(ran.append, 1)
    loop._run_once()
    assert ran == [1]
    loop._run_once()
    assert ran == [1, 2]


def test_a_handle_can_be_run_by_hand(loop: fournil.EventLoop) -> None:
    ran: list[int] = []
    handle = loop.call_soon(ran.append, 1)
    handle._run()
    assert ran == [1]
    handle.cancel()
    handle._run()
    assert ran == [1]


def test_run_and_runner_and_new_event_loop() -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert fournil.run(main()) is fournil.EventLoop
    with fournil.Runner() as runner:
        assert runner.run(main()) is fournil.EventLoop
    with fournil.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(main()) is not fournil.EventLoop
    loop = fournil.new_event_loop()
    assert loop.run_until_complete(main()) is fournil.EventLoop
    loop.close()


def test_run_inside_a_loop() -> None:
    async def main() -> None:
        coroutine = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=r"fournil.run\(\) cannot be called from a running"):
            fournil.run(coroutine)
        coroutine.close()

    fournil.run(main())


@pytest.mark.parametrize("debug", [True, False])
def test_run_in_debug_mode(debug: bool) -> None:
    async def main() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert fournil.run(main(), debug=debug) is debug
    with fournil.Runner(debug=debug) as runner:
        assert runner.run(main()) is debug


def test_a_poller_closes_its_descriptors() -> None:
    before = set(os.listdir("/proc/self/fd"))
    poller = Poller(ReadyQueue())
    assert len(set(os.listdir("/proc/self/fd")) - before) == 2
    del poller
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("room", range(2))
def test_a_loop_that_cannot_be_made_leaves_nothing(room: int) -> None:
    # It needs two descriptors. The limit is on their numbers, so gaps are filled first.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    greatest = max(map(int, os.listdir("/proc/self/fd")))
    fillers = [os.open(os.devnull, os.O_RDONLY)]
    while fillers[-1] <= greatest:
        fillers.append(os.open(os.devnull, os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + room, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            fournil.EventLoop()
        gc.collect()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)


def test_many_collections_of_a_loop_with_all_that_it_can_hold() -> None:
    one, other = socket.socketpair()
    loop: Any = fournil.EventLoop()
    loop.itself = loop
    for _ in range(300):
        loop.call_soon(loop.stop)
        loop.call_later(3600, loop.stop)
    loop.add_reader(one, loop.stop)
    loop.add_writer(one, loop.stop)
    loop.add_reader(other.fileno(), loop.stop)
    before = sys.getrefcount(loop)
    for _ in range(10):
        gc.collect()
    assert sys.getrefcount(loop) == before
    run_turn(loop)
    loop.close()
    one.close()
    other.close()


@pytest.mark.parametrize("own_clock", [False, True])
def test_a_busy_loop_looks_at_the_kernel_every_now_and_then(
    own_clock: bool, tmp_path: Path
) -> None:
    class OwnClock(fournil.EventLoop):
        def time(self) -> float:
            return super().time()

    turns = 20_000
    loop = OwnClock() if own_clock else fournil.EventLoop()

    def spin(left: int) -> None:
        if left:
            loop.call_soon(spin, left - 1)
        else:
            loop.stop()

    loop.call_soon(spin, turns)
    with fournil.Recorder(tmp_path / "recording", watch=False):
        began = time.perf_counter()
        loop.run_forever()
        took = time.perf_counter() - began
    loop.close()
    (recorded,) = load(str(tmp_path / "recording")).recording.loops
    if own_clock:
        # Nobody knows when it has moved, and what is due by then.
        assert recorded.polls >= turns
    else:
        # However long a turn takes here, 100 us lie between two looks, by the processor's clock.
        assert 1 <= recorded.polls <= 1.1 * took / 0.000_1 + 2
