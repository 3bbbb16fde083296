"""Causes of blocked steps that are no line's: the collector, the GIL of others, no CPU."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import fournil
from fournil.evidence.classify import Blocker
from fournil.observe.recording.live import load
from fournil.observe.recording.model import Recording

THRESHOLD = 0.02
KEEPS_GIL = ctypes.PyDLL(None)
US = 300_000


class Run:
    """Runs a coroutine under a recorder; returns what was recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, main: Callable[[], object], threshold: float = THRESHOLD) -> Recording:
        async def run() -> None:
            result = main()
            if asyncio.iscoroutine(result):
                await result

        with fournil.Recorder(self.path, threshold=threshold):
            fournil.run(run())
        return load(str(self.path))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "recording")


@pytest.fixture
def garbage() -> Iterator[None]:
    """So many objects that to collect garbage takes longer than the threshold."""
    gc.collect()
    kept = [[number] for number in range(900_000)]
    yield
    kept.clear()


# The GIL.


async def while_a_thread_runs(function: Callable[[], object]) -> None:
    """Let a thread run a function while the loop waits for timers, if it does not begin before."""

    def run() -> None:
        # Without the GIL, so that it goes on when the loop waits.
        assert loop_waits.acquire(timeout=60)
        time.sleep(0.001)
        function()

    loop_waits = threading.Semaphore(0)
    thread = threading.Thread(target=run, name="reporter")
    thread.start()
    asyncio.get_running_loop().call_later(0.005, loop_waits.release)
    while thread.is_alive():
        await asyncio.sleep(0.003)
    thread.join()


def sleep_with_gil() -> None:
    KEEPS_GIL.usleep(US)


NUMBERS = [random.random() for _ in range(1_200_000)]


def sort_with_gil() -> None:
    sorted(NUMBERS)


@pytest.mark.parametrize("function", [sleep_with_gil, sort_with_gil])
def test_a_thread_that_keeps_the_gil_between_steps_is_found(
    function: Callable[[], object], run: Run
) -> None:
    found = run(lambda: while_a_thread_runs(function))
    wait = max(found.gil_waits, key=lambda wait: wait.duration_s)
    assert wait.blocker is Blocker.NATIVE_GIL
    assert wait.culprit.function == function.__name__
    assert wait.duration_s <= max(loop.lag.max for loop in found.loops) + 1e-6


def test_who_kept_the_gil_is_named(run: Run) -> None:
    # Its name is asked for when it lets go, and it may end before that: on a busy machine.
    names = set()
    for _ in range(10):
        found = run(lambda: while_a_thread_runs(sleep_with_gil))
        names = {wait.holder.name for wait in found.gil_waits if wait.holder}
        if "reporter" in names:
            break
    assert names == {"reporter"}


def test_a_thread_that_keeps_the_gil_inside_a_step_is_found(run: Run) -> None:
    begun = threading.Event()

    def keep() -> None:
        begun.set()
        sleep_with_gil()

    def wait() -> None:
        thread = threading.Thread(target=keep, name="reporter")
        thread.start()
        begun.wait()
        thread.join()

    found = run(wait)
    (step,) = found.blocked
    assert step.holder is not None
    assert step.holder.culprit.function == "sleep_with_gil"


def test_what_waits_in_c_code_and_keeps_the_gil_does_not_just_wait(run: Run) -> None:
    (step,) = run(sleep_with_gil).blocked
    assert (step.blocker, step.culprit.function) == (Blocker.NATIVE_GIL, "sleep_with_gil")


def test_waits_in_other_threads_keep_nothing(run: Run) -> None:
    found = run(lambda: while_a_thread_runs(lambda: time.sleep(US / 1e6)), threshold=0.25)
    assert found.gil_waits == ()
    assert found.blocked == ()


# The collector of garbage.


@pytest.mark.usefixtures("garbage")
def test_a_collection_is_seen_with_its_generation_and_size(run: Run) -> None:
    def collect() -> None:
        gc.collect()

    step = max(run(collect).blocked, key=lambda step: step.duration_s)
    assert step.blocker is Blocker.GC
    assert step.collection is not None
    assert step.collection.generation == 2
    assert step.collection.objects > 100_000


@pytest.mark.usefixtures("garbage")
def test_what_a_destructor_does_is_not_the_collectors(run: Run) -> None:
    class Session:
        def __del__(self) -> None:
            time.sleep(0.3)

    def drop() -> None:
        session = Session()
        session.me = session  # type: ignore[attr-defined]
        del session
        gc.collect()

    step = max(run(drop).blocked, key=lambda step: step.duration_s)
    parts = {part.blocker: part for part in step.parts or (step,)}
    assert parts[Blocker.WAITING].culprit.function.endswith("__del__")


@pytest.mark.usefixtures("garbage")
def test_a_collection_in_a_step_has_a_time_of_its_own(run: Run) -> None:
    def both() -> None:
        time.sleep(0.2)
        gc.collect()

    (step,) = run(both).blocked
    parts = {part.blocker: part for part in step.parts}
    assert set(parts) == {Blocker.WAITING, Blocker.GC}
    assert parts[Blocker.WAITING].culprit.line + 1 == parts[Blocker.GC].culprit.line
    assert sum(part.taken_s for part in step.parts) == pytest.approx(step.duration_s)


def test_code_that_makes_objects_is_no_collector(run: Run) -> None:
    def make() -> int:
        gc.disable()
        try:
            return len([[] for _ in range(700_000)])
        finally:
            gc.enable()

    assert all(step.collection is None for step in run(make).blocked)


# No CPU.

STOPPED = """
import asyncio, sys, time
import fournil

async def main():
    before = time.monotonic()
    print("runs", flush=True)
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        if now - before > 1.0:
            break
        before = now

with fournil.Recorder(sys.argv[1], threshold=1.5):
    fournil.run(main())
"""


def test_a_process_that_was_stopped_did_not_block(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    command = [sys.executable, "-c", STOPPED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(child.pid, signal.SIGCONT)
    (step,) = load(str(path)).blocked
    assert step.blocker is Blocker.STARVED
    assert step.lack is not None
    assert step.lack.stopped_s > 1.0


# The kernel.


def test_who_reads_what_is_in_memory_is_on_the_cpu_in_the_kernel(run: Run) -> None:
    def read() -> None:
        target = bytearray(64 << 20)
        with open("/dev/zero", "rb", buffering=0) as zeros:
            end = time.thread_time() + 0.3
            while time.thread_time() < end:
                zeros.readinto(target)

    (step,) = run(read).blocked
    assert step.blocker is Blocker.NATIVE
    assert step.kernel_s > 0
