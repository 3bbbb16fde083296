"""What a recording says of pools, of each kind, on each loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fournil
from fournil.observe.recording.live import load, snapshot
from fournil.observe.recording.model import Pool, PoolCall, Recording, Worker
from fournil.observe.recording.reading import read_file
from fournil.record import kinds
from tests.offload.functions import Gate, Run, double, fail, use_cpu
from tests.offload.under_test import two_workers

# Pools are recorded on any loop; on asyncio's own, the recorder says what it does not record.
pytestmark = pytest.mark.filterwarnings("ignore:a loop of another kind runs:RuntimeWarning")

Make = Callable[..., fournil.Pool]
Gates = Callable[[], Gate]
Record = Callable[[Callable[[], Awaitable[Any]]], Recording]


@pytest.fixture
def record(run: Run, tmp_path: Path) -> Record:
    """Run a coroutine function with a recorder on; return what was recorded."""
    path = tmp_path / "pools.fournil"

    def record(main: Callable[[], Awaitable[Any]]) -> Recording:
        with fournil.Recorder(path):
            run(main)
        return snapshot(read_file(str(path)))

    return record


def only(recording: Recording) -> tuple[Pool, list[PoolCall]]:
    (pool,) = recording.pools
    assert {call.pool for call in recording.calls} <= {pool.number}
    return pool, list(recording.calls)


def test_calls(record: Record, make: Make) -> None:
    names: set[str] = set()

    async def main() -> None:
        async with make(workers=2) as pool:
            assert await pool.run(double, 4) == 8
            with pytest.raises(LookupError):
                await pool.run(fail, "told")
            await asyncio.gather(*(pool.run(time.sleep, 0.002) for _ in range(20)))
            names.update(worker.name for worker in pool.statistics().workers)

    recording = record(main)
    pool, calls = only(recording)
    assert (pool.kind, pool.workers) == (make.__name__, 2)
    assert (pool.calls, pool.ran, pool.done, pool.raised, pool.in_flight) == (22, 22, 21, 1, 0)
    assert not pool.is_open
    assert 0.02 < pool.inside_s < 2 * pool.open_s
    assert pool.longest_s >= 0.002
    assert min(pool.waited_s, pool.out_s, pool.back_s, pool.cpu_s) >= 0
    assert len(calls) == 22
    for call in calls:
        moments = call.queued_s, call.sent_s, call.began_s, call.ended_s, call.received_s
        came = [moment for moment in moments if moment is not None]
        assert len(came) >= 4
        assert came == sorted(came)
        assert call.worker in names
    sites = [recording.sites[call.site].function for call in calls]
    assert sites[:2] == ["double", "fail"]
    assert set(sites[2:]) == {"time.sleep"}
    states = [call.state for call in calls]
    assert states == [kinds.CALL_DONE, kinds.CALL_RAISED, *[kinds.CALL_DONE] * 20]


def test_who_called(record: Record, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            await asyncio.create_task(one(pool), name="caller")

    async def one(pool: fournil.Pool) -> None:
        await pool.run(double, 1)

    recording = record(main)
    _, (call,) = only(recording)
    # Other loops say nothing of their steps.
    caller = "caller (test_who_called.<locals>.one)" if recording.loops else None
    assert recording.describe(call.subject) == caller


def test_calls_that_are_cancelled(record: Record, make: Make, gates: Gates) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            gate = gates()
            running = pool.run(gate.wait_unless_cancelled)
            waiting = [pool.run(double, 1) for _ in range(3)]
            await gate.until_reached()
            calls: list[asyncio.Future[Any]] = [*waiting, running]
            for call in calls:
                call.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await call

    pool, calls = only(record(main))
    assert (pool.calls, pool.cancelled, pool.in_flight) == (4, 4, 0)
    assert {call.state for call in calls} == {kinds.CALL_CANCELLED}
    assert [call.began_s is None for call in calls].count(True) == 3
    assert pool.ran == 1


def test_what_the_workers_use_of_the_cpu(record: Record, make: Make) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            await pool.run(time.sleep, 0.05)
            await pool.run(use_cpu, 0.1)

    pool, _ = only(record(main))
    assert 0.1 <= pool.cpu_s <= pool.inside_s


def test_a_recorder_that_begins_and_ends_while_a_pool_is_used(
    run: Run, make: Make, tmp_path: Path
) -> None:
    async def main() -> None:
        async with make(workers=1) as pool:
            await pool.run(double, 1)
            with fournil.Recorder(tmp_path / "first"):
                await pool.run(double, 1)
                left = pool.run(double, 1)
            await left
            await pool.run(double, 1)
            with fournil.Recorder(tmp_path / "second"):
                await asyncio.gather(*(pool.run(double, n) for n in range(5)))

    run(main)
    first, calls = only(snapshot(read_file(str(tmp_path / "first"))))
    assert (first.calls, first.done, first.in_flight, len(calls)) == (2, 1, 1, 1)
    second, calls = only(snapshot(read_file(str(tmp_path / "second"))))
    assert (second.calls, second.done, second.in_flight, len(calls)) == (5, 5, 0, 5)


def test_more_pools_than_there_is_room_for(tmp_path: Path) -> None:
    async def main() -> None:
        pools = [fournil.ThreadPool(workers=1) for _ in range(70)]
        for pool in pools:
            assert await pool.run(double, 2) == 4
        for pool in pools:
            await pool.close()
        for _ in range(10):
            async with fournil.ThreadPool(workers=1) as pool:
                assert await pool.run(double, 2) == 4

    with fournil.Recorder(tmp_path / "many"):
        fournil.run(main())
    recording = snapshot(read_file(str(tmp_path / "many")))
    assert (recording.unseen.pools, recording.unseen.closed_pools) == (6, 10)
    assert len(recording.pools) == 64
    assert len(recording.calls) == 74
    assert {pool.done for pool in recording.pools} == {1}


def test_calls_of_the_default_executor(tmp_path: Path) -> None:
    async def main() -> None:
        await asyncio.create_task(asyncio.to_thread(double, 4), name="caller")
        loop = asyncio.get_running_loop()
        with pytest.raises(LookupError):
            await loop.run_in_executor(None, fail, "told")
        await loop.run_in_executor(None, use_cpu, 0.02)

    with fournil.Recorder(tmp_path / "default"):
        fournil.run(main())
    recording = snapshot(read_file(str(tmp_path / "default")))
    pool, calls = only(recording)
    assert (pool.kind, pool.name) == ("ThreadPoolExecutor", "asyncio")
    assert pool.workers == concurrent.futures.ThreadPoolExecutor()._max_workers
    assert (pool.calls, pool.ran, pool.done, pool.raised, pool.in_flight) == (3, 3, 2, 1, 0)
    assert not pool.is_open
    assert 0.01 < pool.cpu_s <= 2 * pool.inside_s
    assert [recording.sites[call.site].function for call in calls] == ["double", "fail", "use_cpu"]
    assert {call.worker for call in calls} == {"asyncio_0"}
    assert recording.describe(calls[0].subject) == "caller (to_thread)"
    for call in calls:
        moments = call.queued_s, call.began_s, call.ended_s, call.received_s
        came = [moment for moment in moments if moment is not None]
        assert len(came) == 4
        assert came == sorted(came)


def test_calls_of_the_default_executor_that_are_cancelled(tmp_path: Path, gates: Gates) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        workers = concurrent.futures.ThreadPoolExecutor()._max_workers
        held = [gates() for _ in range(workers)]
        calls = [loop.run_in_executor(None, gate.wait) for gate in held]
        for gate in held:
            await gate.until_reached()
        calls += [loop.run_in_executor(None, double, n) for n in range(3)]
        for call in (calls[0], calls[-1]):
            call.cancel()
        for gate in held:
            gate.open()
        await asyncio.wait(calls)
        await loop.shutdown_default_executor()

    with fournil.Recorder(tmp_path / "cancelled"):
        fournil.run(main())
    pool, calls = only(snapshot(read_file(str(tmp_path / "cancelled"))))
    assert (pool.abandoned, pool.cancelled, pool.in_flight) == (1, 1, 0)
    assert pool.done == pool.calls - 2
    (dropped,) = [call for call in calls if call.state == kinds.CALL_CANCELLED]
    assert (dropped.began_s, dropped.worker) == (None, None)


def test_a_recorder_that_begins_when_calls_run(tmp_path: Path) -> None:
    async def main() -> None:
        for n in range(3):
            gate = threading.Event()
            before = asyncio.get_running_loop().run_in_executor(None, gate.wait)
            with fournil.Recorder(tmp_path / f"midway {n}"):
                gate.set()
                assert await before
                assert await asyncio.to_thread(double, n) == 2 * n
                gate.clear()
                after = asyncio.get_running_loop().run_in_executor(None, gate.wait)
            gate.set()
            assert await after

    fournil.run(main())
    for n in range(3):
        pool, calls = only(snapshot(read_file(str(tmp_path / f"midway {n}"))))
        assert (pool.calls, pool.done, len(calls)) == (2, 1, 1)


def test_the_death_of_a_worker(tmp_path: Path) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(workers=1) as pool:
            with pytest.raises(fournil.WorkerDied):
                await pool.run(os._exit, 3)
            assert await pool.run(double, 2) == 4

    with fournil.Recorder(tmp_path / "died"):
        fournil.run(main())
    pool, calls = only(snapshot(read_file(str(tmp_path / "died"))))
    assert (pool.calls, pool.died, pool.done, pool.raised) == (2, 1, 1, 0)
    assert [call.state for call in calls] == [kinds.CALL_DIED, kinds.CALL_DONE]
    assert calls[0].worker == "fournil process 1"


def test_bytes(tmp_path: Path) -> None:
    large = bytes(3_000_000)

    async def main() -> None:
        async with fournil.ProcessPool(workers=1) as pool:
            assert len(await pool.run(bytes, large)) == len(large)
            assert await pool.run(len, b"1234") == 4
            shared = fournil.share(np.zeros(3_000_000, np.uint8))
            assert await pool.run(len, shared) == len(large)

    with fournil.Recorder(tmp_path / "bytes"):
        fournil.run(main())
    pool, calls = only(snapshot(read_file(str(tmp_path / "bytes"))))
    there, small, shared = calls
    assert 3_000_000 <= there.bytes_out < 3_010_000
    assert 3_000_000 <= there.bytes_back < 3_010_000
    assert 4 <= small.bytes_out < 100
    assert 0 < shared.bytes_out < 1000
    assert pool.bytes_out == sum(call.bytes_out for call in calls)


def test_an_abandoned_call(tmp_path: Path, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(workers=1, abandon_on_cancel=True) as pool:
            gate = gates()
            call = pool.run(gate.wait)
            await gate.until_reached()
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            gate.open()
            assert await pool.run(double, 1) == 2

    with fournil.Recorder(tmp_path / "abandoned"):
        fournil.run(main())
    pool, calls = only(snapshot(read_file(str(tmp_path / "abandoned"))))
    assert (pool.abandoned, pool.done, pool.in_flight) == (1, 1, 0)
    assert [call.state for call in calls] == [kinds.CALL_ABANDONED, kinds.CALL_DONE]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_records_no_pools(tmp_path: Path) -> None:
    async def use() -> int:
        async with fournil.ThreadPool(workers=1) as pool:
            return await pool.run(double, 2)

    with fournil.Recorder(tmp_path / "forked"):
        child = os.fork()
        if child == 0:
            try:
                os._exit(fournil.run(use()))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
        assert fournil.run(use()) == 4
    pool, calls = only(snapshot(read_file(str(tmp_path / "forked"))))
    assert (pool.calls, len(calls)) == (1, 1)


def test_a_call_is_seen_while_it_runs(run: Run, make: Make, gates: Gates, tmp_path: Path) -> None:
    path = str(tmp_path / "running")
    seen: list[Worker] = []

    def running() -> list[Worker]:
        return [worker for worker in load(path).workers if worker.since_s is not None]

    async def main() -> None:
        async with make(workers=2) as pool:
            assert await pool.run(double, 1) == 2
            assert not running()
            gate = gates()
            call = pool.run(gate.wait)
            await gate.until_reached()
            seen.extend(running())
            gate.open()
            await call
            while running():  # its thread may still be about to say so
                await asyncio.sleep(0)
        assert not load(path).workers

    with fournil.Recorder(path):
        run(main)
    (worker,) = seen
    recording = load(path)
    assert worker.pool == recording.pools[0].number
    assert recording.codes[worker.site].function.endswith("Gate.wait")
    call = recording.calls[-1]
    assert worker.name == call.worker
    assert worker.calls in (1, 2)
    assert worker.since_s is not None
    assert call.began_s is not None
    assert call.queued_s <= worker.since_s <= call.began_s + 1e-6


def test_calls_behind_one_another_are_seen_one_after_the_other(
    run: Run, make: Make, gates: Gates, tmp_path: Path
) -> None:
    path = str(tmp_path / "behind")

    async def main() -> None:
        async with make(workers=1) as pool:
            for number in range(1, 4):
                gate = gates()
                calls = [pool.run(gate.wait), pool.run(double, number)]
                await gate.until_reached()
                (worker,) = load(path).workers
                assert worker.since_s is not None
                assert worker.calls == 2 * number - 1
                gate.open()
                await asyncio.gather(*calls)

    with fournil.Recorder(path):
        run(main)


def test_a_call_that_killed_its_worker_runs_no_more(run: Run, gates: Gates, tmp_path: Path) -> None:
    path = str(tmp_path / "died")

    async def main() -> None:
        async with fournil.ProcessPool(workers=1) as pool:
            with pytest.raises(fournil.WorkerDied):
                await pool.run(os._exit, 3)
            assert not any(worker.since_s for worker in load(path).workers)
            assert await pool.run(double, 2) == 4

    with fournil.Recorder(path):
        run(main)


def test_a_call_that_was_taken_back_does_not_run_there(
    run: Run, gates: Gates, tmp_path: Path
) -> None:
    path = str(tmp_path / "stopped")

    async def main() -> None:
        async with fournil.ProcessPool(workers=2) as pool:
            await two_workers(pool, gates)
            stopped = await pool.run(os.getpid)
            os.kill(stopped, signal.SIGSTOP)
            try:
                pids = await asyncio.gather(*(pool.run(os.getpid) for _ in range(2)))
                assert stopped not in pids
                assert not any(worker.since_s for worker in load(path).workers)
            finally:
                os.kill(stopped, signal.SIGCONT)

    with fournil.Recorder(path):
        run(main)
