"""A thread that looks for what is likely to come soon."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from fournil._native.spin_wait import SpinWait

FOR_EVER = 10**18  # nanoseconds
NONE: list[str] = []


class Looking(threading.Thread):
    """A thread that looks once."""

    seen: bool | None = False

    def __init__(self, spin_wait: SpinWait, ns: int = FOR_EVER) -> None:
        super().__init__(daemon=True)
        self.spin_wait = spin_wait
        self.ns = ns
        self.start()

    def run(self) -> None:
        began = time.perf_counter_ns()
        self.seen = self.spin_wait.look(self.ns, NONE)
        self.took_ns = time.perf_counter_ns() - began

    def call_to_its_end(self) -> int:
        """Call it until it looks no more; return how often it was called."""
        called = 0
        while self.is_alive():
            called += self.spin_wait.call()
        return called


@pytest.fixture(autouse=True)
def often() -> Iterator[None]:
    """Have threads switch often: who calls here does nothing else."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_nobody_looks() -> None:
    spin_wait = SpinWait()
    assert not spin_wait.call()
    assert not spin_wait.look(0, NONE)
    assert not spin_wait.call()


def test_a_call_ends_the_look() -> None:
    spin_wait = SpinWait()
    for _ in range(1000):
        looking = Looking(spin_wait)
        called = looking.call_to_its_end()
        # Once: then it was called already, and then it is not there any more. Or others wanted
        # the processor: who calls, if there is but one.
        assert called == 1 if looking.seen else looking.seen is None and called <= 1
    assert not spin_wait.call()


def test_a_look_ends_by_itself() -> None:
    spin_wait = SpinWait()
    looking = Looking(spin_wait, 1_000_000)
    looking.join()
    assert not looking.seen
    assert looking.took_ns >= 1_000_000 or looking.seen is None
    assert not spin_wait.call()


def test_what_is_there_is_not_waited_for() -> None:
    spin_wait = SpinWait()
    assert spin_wait.look(FOR_EVER, ["a call"])
    assert not spin_wait.call()


def test_one_looks_at_a_time() -> None:
    for _ in range(20):
        spin_wait = SpinWait()
        both = [Looking(spin_wait, 2_000_000_000) for _ in range(2)]
        while all(one.is_alive() for one in both):
            pass
        for one in both:
            one.call_to_its_end()
        seen = [one.seen for one in both]
        # The other one was sent away; or was let in when the first was interrupted.
        assert seen.count(True) == seen.count(False) == 1 or None in seen


def test_it_gives_way_to_who_wants_the_processor() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        looking = Looking(SpinWait())
        while looking.is_alive():
            pass
    finally:
        os.sched_setaffinity(0, before)
    assert looking.seen is None


@pytest.mark.parametrize("given", [-1, "soon", None])
def test_a_time_that_is_none(given: object) -> None:
    spin_wait = SpinWait()
    with pytest.raises((OverflowError, TypeError)):
        spin_wait.look(given, NONE)  # type: ignore[arg-type]
    assert not spin_wait.call()
