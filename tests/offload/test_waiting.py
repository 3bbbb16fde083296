"""How a worker waits for its next call: it looks for one that is likely to come soon, or sleeps."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fournil._worker import worker
from fournil._worker.worker import LOOKING_NS, Worker

STEP_NS = LOOKING_NS // 10
"""So long each look takes."""


class Stream:
    """A socket on which the next call comes after so many looks, or only to one that sleeps."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.looks = 0
        self.sleeps = 0
        self.comes_after = 0
        self.slept_ns = 0
        self.is_reset = False

    def recv_into(self, room: memoryview, size: int = 0, flags: int = 0) -> int:
        if self.is_reset:
            raise ConnectionResetError
        if flags != socket.MSG_DONTWAIT:
            self.sleeps += 1
            self.clock.now += self.slept_ns
            return len(room)
        self.clock.now += STEP_NS
        self.looks += 1
        if self.looks > self.comes_after:
            return len(room)
        raise BlockingIOError


class Clock:
    def __init__(self) -> None:
        self.now = 1

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(worker, "perf_counter_ns", clock)
    return clock


@pytest.fixture
def stream(clock: Clock) -> Stream:
    return Stream(clock)


@pytest.fixture
def waiting(stream: Stream) -> Worker:
    side: Any = None
    ledger: Any = SimpleNamespace(words=[])
    setup: dict[str, Any] = {"levels": {}, "most_memory": None}
    return Worker("a worker", cast("socket.socket", stream), side, ledger, setup)


def wait(worker: Worker) -> int:
    return worker.receive(memoryview(bytearray(10)))


def test_the_first_wait_sleeps(waiting: Worker, stream: Stream) -> None:
    assert wait(waiting) == 10
    assert (stream.sleeps, stream.looks) == (1, 0)


def test_after_a_short_wait_it_looks_before_it_sleeps(waiting: Worker, stream: Stream) -> None:
    stream.slept_ns = LOOKING_NS // 2
    wait(waiting)
    stream.comes_after = 3
    assert wait(waiting) == 10
    assert (stream.sleeps, stream.looks) == (1, 4)


def test_what_does_not_come_soon_is_slept_for(waiting: Worker, stream: Stream) -> None:
    wait(waiting)
    stream.comes_after = 1000
    assert wait(waiting) == 10
    assert (stream.sleeps, stream.looks) == (2, 10)
    # And the next time at once.
    wait(waiting)
    assert (stream.sleeps, stream.looks) == (3, 10)


def test_after_a_long_wait_it_sleeps(waiting: Worker, stream: Stream) -> None:
    stream.slept_ns = LOOKING_NS
    wait(waiting)
    wait(waiting)
    assert (stream.sleeps, stream.looks) == (2, 0)


def test_a_parent_that_died_is_the_end(waiting: Worker, stream: Stream) -> None:
    wait(waiting)
    stream.is_reset = True
    assert wait(waiting) == 0
    assert wait(waiting) == 0
