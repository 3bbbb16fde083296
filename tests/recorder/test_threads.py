"""Calls in threads: what the watch sees of them, where it is asked to look."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil.evidence.classify import Blocker
from fournil.observe.recording.live import load
from fournil.observe.recording.model import BlockedStep, Recording
from fournil.record import hook
from fournil.record.kinds import Kind
from tests.test_watch import compute, keep_gil, wait_until

SLOW_S = 0.3
THRESHOLD = 0.02


def wait(seconds: float) -> None:
    time.sleep(seconds)


def compute_natively(seconds: float) -> None:
    import hashlib

    end = time.thread_time() + seconds
    while time.thread_time() < end:
        hashlib.pbkdf2_hmac("sha256", b"flour", b"salt", 100_000)


def raises(seconds: float) -> None:
    time.sleep(seconds)
    raise LookupError("told")


def record(path: Path, main: Callable[[], Any], **options: Any) -> Recording:
    with fournil.Recorder(path, threshold=THRESHOLD, **{"threads": True, **options}):
        fournil.run(main())
    return load(str(path))


def in_function(calls: tuple[BlockedStep, ...], function: str) -> BlockedStep:
    (call,) = (call for call in calls if any(frame.function == function for frame in call.frames))
    return call


@pytest.mark.parametrize(
    ("function", "blocker"),
    [
        (wait, Blocker.WAITING),
        (compute, Blocker.PYTHON),
        (compute_natively, Blocker.NATIVE),
        (keep_gil, Blocker.NATIVE_GIL),
        (raises, Blocker.WAITING),
    ],
)
def test_what_a_call_in_a_thread_does(
    function: Callable[[float], None], blocker: Blocker, tmp_path: Path
) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=2, name="slow") as pool:
            await asyncio.gather(pool.run(function, SLOW_S), return_exceptions=True)

    recording = record(tmp_path / "calls", main)
    call = in_function(recording.slow_calls, function.__name__)
    assert call.blocker is blocker
    assert call.culprit.function == function.__name__
    assert call.culprit.file == function.__code__.co_filename
    assert call.frames[-1].function == function.__name__  # nothing of the pool is inside
    assert call.kind == Kind.CALL
    assert recording.describe(call.subject) == f"{function.__name__}()"
    assert call.ended
    assert call.duration_s >= SLOW_S
    assert recording.blocked == () or all(step.kind != Kind.CALL for step in recording.blocked)
    assert recording.unseen.blocked == 0


def test_several_at_once_and_short_ones(tmp_path: Path) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=4) as pool:
            await asyncio.gather(*(pool.run(wait, SLOW_S) for _ in range(4)))
            await asyncio.gather(*(pool.run(wait, 0) for _ in range(100)))

    recording = record(tmp_path / "several", main)
    slow = [call for call in recording.slow_calls if call.duration_s >= SLOW_S]
    assert len(slow) == 4
    assert len({call.thread for call in slow}) == 4
    assert {call.blocker for call in slow} == {Blocker.WAITING}


def test_a_call_is_seen_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "running"
    go_on = threading.Event()

    def hold() -> None:
        go_on.wait()

    async def main() -> None:
        async with fournil.ThreadPool(workers=1, name="holder") as pool:
            call = pool.run(hold)
            await asyncio.to_thread(wait_until, lambda: bool(load(str(path)).slow_calls))
            (seen,) = load(str(path)).slow_calls
            assert not seen.ended
            assert seen.blocker is Blocker.WAITING
            assert seen.culprit.function.endswith("hold")
            ((_, caller),) = load(str(path)).callers.items()
            assert caller.name == "holder 1"
            assert caller.running is not None
            go_on.set()
            await call

    recording = record(path, main)
    (call,) = (call for call in recording.slow_calls if call.culprit.function.endswith("hold"))
    assert call.ended
    assert all(caller.running is None for caller in recording.callers.values())


def test_threads_are_watched_only_when_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        assert hook.open_thread is None
        async with fournil.ThreadPool(workers=1) as pool:
            await pool.run(wait, SLOW_S)

    recording = record(tmp_path / "unasked", main, threads=False)
    assert not recording.slow_calls
    assert not recording.callers
    assert recording.looks == 0 or all(step.kind != Kind.CALL for step in recording.blocked)


def test_a_pool_that_outlives_recordings(tmp_path: Path) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=1) as pool:
            for number in range(3):
                path = tmp_path / str(number)
                with fournil.Recorder(path, threshold=THRESHOLD, threads=True):
                    await pool.run(wait, SLOW_S)
                assert len(load(str(path)).slow_calls) == 1
                await pool.run(wait, 0)
            with fournil.Recorder(tmp_path / "off", threshold=THRESHOLD):
                await pool.run(wait, SLOW_S)
            assert not load(str(tmp_path / "off")).slow_calls

    fournil.run(main())
    assert hook.open_thread is None


def test_a_call_that_runs_when_the_recording_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "ended")
    go_on = threading.Event()

    async def main() -> None:
        recorder = fournil.Recorder(path, threshold=THRESHOLD, threads=True)
        recorder.start()
        async with fournil.ThreadPool(workers=1) as pool:
            call = pool.run(go_on.wait)
            await asyncio.to_thread(wait_until, lambda: bool(load(path).slow_calls))
            recorder.stop()
            go_on.set()
            await call
            await pool.run(wait, 0)

    fournil.run(main())
    recording = load(path)
    assert recording.ended
    (caller,) = recording.callers.values()
    assert caller.running is not None
    assert not recording.slow_calls[0].ended
    assert [worker.since_s is not None for worker in recording.workers] == [True]


def test_more_threads_than_there_are_slots(tmp_path: Path) -> None:
    path = tmp_path / "many"
    go_on = threading.Event()

    def call() -> None:
        assert hook.open_thread is not None
        thread = hook.open_thread("a thread")
        thread.begin(wait)
        go_on.wait()
        thread.end()
        thread.close()
        thread.end()
        thread.begin(wait)
        thread.close()

    with fournil.Recorder(path, threads=True, size="2M"):
        threads = [threading.Thread(target=call) for _ in range(200)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(load(str(path)).callers) == 192)
        assert load(str(path)).unseen.threads == 200 - 192
        go_on.set()
        for thread in threads:
            thread.join()
        assert not load(str(path)).callers
        again = threading.Thread(target=call)
        again.start()
        again.join()
    assert load(str(path)).unseen.threads == 200 - 192
