"""What calls start ends with their worker, if that is killed; a forked child is its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fournil
from tests.offload.functions import Run, double
from tests.offload.test_deaths import until_gone
from tests.offload.under_test import engine_of

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def a_child(path: Path) -> None:
    """A program that is waited for."""
    started = subprocess.Popen(SLEEP)
    note(path, started.pid)
    started.wait()


def a_session(path: Path) -> None:
    """One that has left the worker's group and session."""
    started = subprocess.Popen(SLEEP, start_new_session=True)
    note(path, started.pid)
    started.wait()


def an_orphan(path: Path) -> None:
    """One whose own parent has ended, as that of a daemon."""
    child = os.fork()
    if child == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild == 0:
            note(path, os.getpid())
            time.sleep(600)
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(600)


def note(path: Path, process: int) -> None:
    written = path.with_suffix(".written")
    written.write_text(str(process))
    written.rename(path)


async def noted(path: Path) -> int:
    while not path.exists():
        await asyncio.sleep(0.001)
    return int(path.read_text())


async def cancel(pool: fournil.ProcessPool, call: asyncio.Future[None]) -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def kill(pool: fournil.ProcessPool, call: asyncio.Future[None]) -> None:
    (worker,) = engine_of(pool).live.values()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(fournil.WorkerDied):
        await call


async def kill_the_forkserver(pool: fournil.ProcessPool, call: asyncio.Future[None]) -> None:
    process: Any = engine_of(pool).starter
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(fournil.WorkerDied):
        await call


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize("end", [cancel, kill, kill_the_forkserver])
@pytest.mark.parametrize("start", [a_child, a_session, an_orphan])
def test_what_a_killed_worker_had_started(
    tmp_path: Path, start: Callable[[Path], None], end: Callable[..., Any], method: Any
) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1, grace=0, start_method=method) as pool:
            call = pool.run(start, tmp_path / "started")
            process = await noted(tmp_path / "started")
            await end(pool, call)
            await until_gone(process)
            assert await pool.run(double, 4) == 8

    fournil.run(main())


def start_and_return() -> int:
    return subprocess.Popen(SLEEP).pid


def test_what_a_worker_leaves_that_ends_by_itself(run: Run) -> None:
    """As under `multiprocessing`, it goes on."""

    async def main() -> None:
        async with fournil.ProcessPool(1, max_tasks_per_child=1) as pool:
            process = await pool.run(start_and_return)
            assert await pool.run(double, 4) == 8
        try:
            os.kill(process, 0)
        finally:
            os.kill(process, signal.SIGKILL)

    run(main)


def test_a_worker_that_leaves_a_child_behind(run: Run, tmp_path: Path) -> None:
    """The child holds all that its parent had open, for as long as it lives."""
    child = tmp_path / "child"

    def fork_and_die() -> None:
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        child.write_text(str(pid))
        os._exit(1)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            with pytest.raises(fournil.WorkerDied):
                await pool.run(fork_and_die)
            assert await pool.run(double, 4) == 8
            os.kill(int(child.read_text()), signal.SIGKILL)

    run(main)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(
    sys.version_info >= (3, 14),
    reason="asyncio forgets in a forked child which loop runs, and no task ends there any more",
)
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("kind", ["ThreadPool", "ProcessPool"])
def test_a_forked_child_that_leaves_the_block(kind: str, waits: bool) -> None:
    """It has its own status, and says nothing; the parent and its workers are unharmed."""
    program = f"""
import asyncio, os, sys, time, warnings
import fournil
warnings.simplefilter("ignore")

async def main():
    async with fournil.{kind}(1) as pool:
        await pool.run(len, "x")
        call = pool.run(time.sleep, 0.2) if {waits} else None
        child = os.fork()
        if child == 0:
            sys.exit(3)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        print(os.waitstatus_to_exitcode(status), await pool.run(len, "xyz"))
        if call is not None:
            await call

if __name__ == "__main__":
    fournil.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3 3\n", "")
