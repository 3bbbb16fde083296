"""How a worker waits for its next call: it looks for one that is likely to come soon, or sleeps."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from fournil._worker import adaptive_spin, receiver
from fournil._worker.adaptive_spin import FEWEST
from fournil._worker.receiver import SPIN_NS, TAKEN_NS, Receiver

LOOK_NS = SPIN_NS // 10


class Stream:
    """A socket, and the time that its reader sees."""

    def __init__(self) -> None:
        self.now = 1
        self.looks = 0
        self.sleeps = 0
        self.comes_after = 0  # so many looks
        self.look_ns = LOOK_NS
        self.sleep_ns = 0
        self.is_reset = False

    def recv_into(self, room: memoryview, size: int = 0, flags: int = 0) -> int:
        if self.is_reset:
            raise ConnectionResetError
        if flags != socket.MSG_DONTWAIT:
            self.sleeps += 1
            self.now += self.sleep_ns
            return len(room)
        self.now += self.look_ns
        self.looks += 1
        if self.looks > self.comes_after:
            return len(room)
        raise BlockingIOError

    def clock(self) -> int:
        return self.now


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    stream = Stream()
    for module in (receiver, adaptive_spin):
        monkeypatch.setattr(module, "perf_counter_ns", stream.clock)
    return stream


@pytest.fixture
def waiting(stream: Stream) -> Receiver:
    return Receiver(cast("socket.socket", stream))


def wait(waiting: Receiver) -> int:
    return waiting.receive(memoryview(bytearray(10)))


def test_the_first_wait_sleeps(waiting: Receiver, stream: Stream) -> None:
    assert wait(waiting) == 10
    assert (stream.sleeps, stream.looks) == (1, 0)


def test_after_a_short_wait_it_looks(waiting: Receiver, stream: Stream) -> None:
    stream.sleep_ns = SPIN_NS // 2
    wait(waiting)
    stream.comes_after = 3
    assert wait(waiting) == 10
    assert (stream.sleeps, stream.looks) == (1, 4)


def test_what_does_not_come_soon_is_slept_for(waiting: Receiver, stream: Stream) -> None:
    wait(waiting)
    stream.comes_after = 1000
    assert wait(waiting) == 10
    assert (stream.sleeps, stream.looks) == (2, 10)
    # And the next time at once.
    wait(waiting)
    assert (stream.sleeps, stream.looks) == (3, 10)


def test_after_a_long_wait_it_sleeps(waiting: Receiver, stream: Stream) -> None:
    stream.sleep_ns = SPIN_NS
    wait(waiting)
    wait(waiting)
    assert (stream.sleeps, stream.looks) == (2, 0)


def test_where_others_want_the_processor_it_sleeps_ever_longer(
    waiting: Receiver, stream: Stream
) -> None:
    def looks_until_slept(times: int) -> int:
        before = stream.looks
        for _ in range(times):
            wait(waiting)
        return stream.looks - before

    stream.comes_after = 1_000_000
    stream.look_ns = TAKEN_NS + 1
    wait(waiting)
    assert looks_until_slept(1) == 1
    # The wait that was interrupted took long, or not: the next is slept through in any case.
    assert looks_until_slept(FEWEST) == 0
    assert looks_until_slept(1) == 1
    assert looks_until_slept(2 * FEWEST) == 0
    assert looks_until_slept(1) == 1


def test_calls_that_are_found_shorten_the_sleep(waiting: Receiver, stream: Stream) -> None:
    stream.comes_after = 1_000_000
    stream.look_ns = TAKEN_NS + 1
    for _ in range(3 + FEWEST):
        wait(waiting)
    looks = stream.looks
    stream.comes_after = 0
    stream.look_ns = LOOK_NS
    for _ in range(2 * FEWEST + 10):
        wait(waiting)
    assert stream.looks - looks == 10
    assert waiting.spin.to_sleep_next == 4 * FEWEST - 10


def test_a_parent_that_died_is_the_end(waiting: Receiver, stream: Stream) -> None:
    wait(waiting)
    stream.is_reset = True
    assert wait(waiting) == 0
    assert wait(waiting) == 0
