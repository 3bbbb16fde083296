"""Workers that die, are killed, or never begin; calls that are stopped while they run."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil.offload.isolated.forkserver import Forkserver
from tests.offload.functions import Gate, Marks, Run, double, fail
from tests.offload.travellers import abort, ignore_interrupts, segfault
from tests.offload.under_test import engine_of


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def until_gone(process: int) -> None:
    while alive(process):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("function", "args", "exit_code", "number", "text"),
    [
        (os._exit, (3,), 3, None, "ended itself with exit code 3 while it ran _exit"),
        (segfault, (), None, signal.SIGSEGV, "killed by SIGSEGV while it ran segfault: C code"),
        (abort, (), None, signal.SIGABRT, "killed by SIGABRT while it ran abort"),
    ],
)
def test_a_death_costs_one_call(
    run: Run, function: Any, args: tuple[Any, ...], exit_code: Any, number: Any, text: str
) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            await asyncio.gather(*(pool.run(double, n) for n in range(300)))
            before = [pool.run(double, n) for n in range(200)]
            one = pool.run(function, *args)
            after = [pool.run(double, n) for n in range(200)]
            with pytest.raises(fournil.WorkerDied, match=text) as caught:
                await one
            assert (caught.value.exit_code, caught.value.signal) == (exit_code, number)
            assert await asyncio.gather(*before) == [2 * n for n in range(200)]
            assert await asyncio.gather(*after) == [2 * n for n in range(200)]
            statistics = pool.statistics()
            assert (statistics.done, statistics.failed) == (700, 1)

    run(main)


def test_kills_under_load(run: Run, marks: Marks) -> None:
    """Nothing is lost, nothing runs twice, however often workers are killed."""
    random_number = random.Random(7)

    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            killed = 0
            calls = [pool.run(marks.add, n) for n in range(4000)]

            async def kill() -> None:
                nonlocal killed
                while not all(call.done() for call in calls):
                    await asyncio.sleep(random_number.random() * 0.1)
                    processes = [p for p in engine_of(pool).live.values() if p.pid and p.ready]
                    if processes:
                        random_number.choice(processes).signal(signal.SIGKILL)
                        killed += 1

            killer = asyncio.create_task(kill())
            done = await asyncio.gather(*calls, return_exceptions=True)
            await killer
            died = [n for n, value in enumerate(done) if value is not None]
            assert all(isinstance(done[n], fournil.WorkerDied) for n in died)
            assert len(died) <= killed
            left = marks.read()
            assert len(left) == len(set(left)), "a call ran twice"
            assert set(range(4000)) - set(left) <= set(died), "a call was lost"
            assert await pool.run(double, 2) == 4

    run(main)


def test_cancels_under_load(run: Run, marks: Marks) -> None:
    random_number = random.Random(3)

    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            calls = [pool.run(marks.add, n) for n in range(3000)]
            while not all(call.done() for call in calls):
                await asyncio.sleep(random_number.random() * 0.002)
                for _ in range(20):
                    random_number.choice(calls).cancel()
            left = marks.read()
            assert len(left) == len(set(left)), "a call ran twice"
            done = {n for n, call in enumerate(calls) if not call.cancelled()}
            assert done <= set(left), "a call was lost"
            statistics = pool.statistics()
            assert statistics.done + statistics.cancelled == 3000
            assert await pool.run(double, 2) == 4

    run(main)


def test_a_call_that_runs_is_interrupted(run: Run, tmp_path: Path) -> None:
    said = tmp_path / "said"

    def work(gate: Gate) -> None:
        try:
            gate.wait()
            time.sleep(60)
        except asyncio.CancelledError:
            said.write_text("interrupted")
            raise
        finally:
            with said.open("a") as file:
                file.write(" and tidied up")

    async def main() -> None:
        gate_folder = tmp_path / "gates"
        gate_folder.mkdir()
        gate = Gate(gate_folder)
        async with fournil.ProcessPool(1) as pool:
            process = await pool.run(os.getpid)
            call = pool.run(work, gate)
            await gate.until_reached()
            call.cancel("enough")
            with pytest.raises(asyncio.CancelledError, match="enough"):
                await call
            assert said.read_text() == "interrupted and tidied up"
            assert await pool.run(os.getpid) == process

    run(main)
    Gate.held.clear()


@pytest.mark.parametrize("grace", [0, 0.01])
def test_one_that_does_not_end_is_killed(run: Run, gates: Any, grace: float) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1, grace=grace) as pool:
            process = await pool.run(os.getpid)
            gate = gates()
            call = pool.run(ignore_interrupts, gate)
            after = pool.run(double, 4)
            await gate.until_reached()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await after == 8
            assert await pool.run(os.getpid) != process
            await until_gone(process)

    run(main)


def test_one_that_raises_when_interrupted(run: Run, gates: Any) -> None:
    def work(gate: Gate) -> None:
        try:
            gate.reached.open("wb").close()
            time.sleep(60)
        except asyncio.CancelledError:
            raise LookupError("no") from None

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            gate = gates()
            call = pool.run(work, gate)
            await gate.until_reached()
            call.cancel()
            with pytest.raises(LookupError, match="no"):
                await call

    run(main)


def test_a_timeout(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await pool.run(time.sleep, 60)
            assert await pool.run(double, 2) == 4

    run(main)


def test_an_initializer(run: Run) -> None:
    def start(flour: int) -> dict[str, int]:
        return {"flour": flour}

    def use() -> Any:
        return fournil.worker_state()

    async def main() -> None:
        async with fournil.ProcessPool(1, initializer=start, initargs=(500,)) as pool:
            assert await pool.run(use) == {"flour": 500}
        assert fournil.worker_state() is None

    run(main)


def test_an_initializer_that_fails(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2, initializer=fail, initargs=("no flour",)) as pool:
            for call in [pool.run(double, n) for n in range(3)]:
                with pytest.raises(LookupError, match="no flour") as caught:
                    await call
                lines = traceback.extract_tb(caught.value.__traceback__)
                assert [line.name for line in lines].count("fail") == 1
            with pytest.raises(LookupError, match="no flour"):
                await pool.run(double, 4)
            assert engine_of(pool).started <= 2, "it is tried again and again"

    run(main)


def test_an_initializer_that_dies(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1, initializer=os._exit, initargs=(5,)) as pool:
            with pytest.raises(fournil.WorkerDied, match="exit code 5 before it was ready"):
                await pool.run(double, 4)
            assert engine_of(pool).started <= 3, "it is tried again and again"

    run(main)


def test_a_module_to_preload_that_is_not_there(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1, preload=["no_such_module"]) as pool:
            with pytest.raises(
                fournil.PoolError, match="cannot be imported: no_such_module: ModuleNotFoundError"
            ):
                await pool.run(double, 4)

    run(main)


def test_preload(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1, preload=["wave"]) as pool:
            assert await pool.run(lambda: "wave" in sys.modules)

    run(main)


def test_recycling(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2, max_tasks_per_child=10) as pool:
            processes = await asyncio.gather(*(pool.run(os.getpid) for _ in range(100)))
            assert all(processes.count(process) <= 10 for process in set(processes))
            assert len(set(processes)) >= 10
        async with fournil.ProcessPool(1, max_memory_per_child=1) as pool:
            first = await pool.run(os.getpid)
            assert await pool.run(os.getpid) != first
            await until_gone(first)

    run(main)


def test_idle_workers_end(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2, idle_timeout=0.01) as pool:
            first = await pool.run(os.getpid)
            await until_gone(first)
            while pool.statistics().workers:
                await asyncio.sleep(0.001)
            assert await pool.run(os.getpid) != first

    run(main)


def test_spawn(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2, start_method="spawn") as pool:
            assert await pool.run(double, 4) == 8
            assert await pool.run(lambda: 3) == 3
            with pytest.raises(fournil.WorkerDied):
                await pool.run(os._exit, 1)
            assert await pool.run(double, 4) == 8

    run(main)


def test_a_forkserver_that_is_killed(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            for _ in range(5):
                assert await pool.run(double, 1) == 2
                running = [pool.run(time.sleep, 60) for _ in range(2)]
                while pool.statistics().running < 2:
                    await asyncio.sleep(0.001)
                forkserver = engine_of(pool).starter
                assert isinstance(forkserver, Forkserver)
                os.kill(forkserver._process.pid, signal.SIGKILL)
                # Another is started for these before the ends of all workers are told.
                while engine_of(pool).starter is forkserver:
                    await asyncio.sleep(0)
                after = [pool.run(double, n) for n in range(10)]
                for call in running:
                    with pytest.raises(
                        fournil.WorkerDied, match="with the process that had started it"
                    ):
                        await call
                assert await asyncio.gather(*after) == [2 * n for n in range(10)]

    run(main)


def test_a_worker_that_cannot_be_started_beside_another(run: Run, gates: Any) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            gate = gates()
            call = pool.run(gate.wait, 1)
            await gate.until_reached()
            other = pool.run(double, 4)
            number = max(engine_of(pool).live)
            # As the forkserver tells that there are too many processes.
            engine_of(pool).not_started(number, OSError(11, "Resource temporarily unavailable"))
            gate.open()
            assert await call == 1
            assert await other == 8
        async with fournil.ProcessPool(1) as alone:
            call = alone.run(double, 4)
            engine_of(alone).not_started(1, OSError(11, "Resource temporarily unavailable"))
            with pytest.raises(fournil.PoolError, match="no worker could be started"):
                await call

    run(main)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_parent_that_dies_leaves_nothing(tmp_path: Path, number: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import asyncio, os, time
import fournil

def work():
    print(os.getpid(), os.getppid(), flush=True)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

async def main():
    async with fournil.ProcessPool(2, grace=0.1) as pool:
        await asyncio.gather(pool.run(work), pool.run(work))

asyncio.run(main())
"""
    )
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        numbers = [int(n) for _ in range(2) for n in program.stdout.readline().split()]
        program.send_signal(number)
        program.wait()
        error = program.stderr.read()
    deadline = time.monotonic() + 10
    while any(alive(process) for process in numbers):
        assert time.monotonic() < deadline, "it left processes behind"
        time.sleep(0.001)
    assert error.count("Traceback") <= (2 if number == signal.SIGINT else 0)
    if number == signal.SIGINT:
        assert error.rstrip().endswith("KeyboardInterrupt")


def test_a_pool_in_a_worker() -> None:
    async def inner() -> int:
        async with fournil.ProcessPool(1) as pool:
            return await pool.run(double, 4)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(lambda: asyncio.run(inner())) == 8
        assert await fournil.to_thread(lambda: asyncio.run(inner())) == 8

    fournil.run(main())


def test_to_process(run: Run) -> None:
    async def main() -> None:
        one, other = await fournil.to_process(os.getpid), await fournil.to_process(os.getpid)
        assert one == other != os.getpid()
        with pytest.raises(LookupError, match="x"):
            await fournil.to_process(fail, "x")

    run(main)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"workers": 0}, "at least one worker, got workers=0"),
        ({"start_method": "fork"}, "'forkserver' or 'spawn', got 'fork'"),
        ({"max_tasks_per_child": 0}, "max_tasks_per_child is at least one, or None, got 0"),
        ({"grace": -1}, "grace is a number of seconds, got -1"),
        ({"idle_timeout": float("nan")}, "idle_timeout is a number of seconds, got nan"),
    ],
)
def test_bad_options(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        fournil.ProcessPool(**options)
    for option, text in (
        ({"workers": "4"}, "workers is a whole number, got '4'"),
        ({"workers": 2.5}, "workers is a whole number, got 2.5"),
        ({"max_tasks_per_child": 1.5}, "max_tasks_per_child is a whole number, got 1.5"),
        ({"grace": "1"}, "grace is a number of seconds, got '1'"),
        ({"grace": None}, "grace is a number of seconds, got None"),
    ):
        with pytest.raises(TypeError, match=text):
            fournil.ProcessPool(**option)
    with pytest.raises(TypeError, match="preload is a list of names of modules, got the text 'os'"):
        fournil.ProcessPool(preload="os")
