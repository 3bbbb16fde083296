"""Workers that start where little is allowed, with set-ups of any size, beside any files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from errno import EPERM
from pathlib import Path
from typing import Any, Literal

import pytest

import fournil
from fournil.offload.isolated.forkserver import Forkserver
from tests.offload.functions import Run, double
from tests.offload.under_test import engine_of

Method = Literal["forkserver", "spawn"]

METHODS: list[Method] = ["forkserver", "spawn"]


def refused(*_: object) -> Any:
    raise OSError(EPERM, os.strerror(EPERM))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["pidfd_open", "memfd_create", "eventfd"])
def test_a_system_call_that_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, method: Method, name: str
) -> None:
    """As sandboxes and old kernels do; files in folders take the place of those without."""
    if hasattr(os, name):
        monkeypatch.setattr(os, name, refused)

    async def main() -> None:
        async with fournil.ProcessPool(1, start_method=method) as pool:
            assert await pool.run(double, 4) == 8
            assert await pool.run(len, bytes(1 << 20)) == 1 << 20
            with pytest.raises(fournil.WorkerDied, match="exit code 3"):
                await pool.run(os._exit, 3)
            assert await pool.run(double, 4) == 8

    run(main)


def test_no_process_can_be_forked(run: Run, tmp_path: Path, monkeypatch: Any) -> None:
    """The forkserver says why; as soon as there is room the next call is run."""
    there_is_room = tmp_path / "room"
    monkeypatch.setenv("THERE_IS_ROOM", str(there_is_room))

    async def main() -> None:
        async with fournil.ProcessPool(2, preload=["tests.offload.forks"]) as pool:
            with pytest.raises(fournil.PoolError, match="Resource temporarily unavailable"):
                await pool.run(double, 4)
            there_is_room.touch()
            assert await pool.run(double, 4) == 8
            there_is_room.unlink()
            # Beside a worker that there is, none other is needed.
            calls = [pool.run(double, n) for n in range(10)]
            assert [await call for call in calls] == [2 * n for n in range(10)]

    run(main)


def arguments() -> tuple[int, int, int]:
    return len(sys.argv), len(sys.path), len(os.environ["LONG"])


@pytest.mark.parametrize("method", METHODS)
def test_a_long_path_and_long_arguments(run: Run, monkeypatch: Any, method: Method) -> None:
    path = [*sys.path, *(f"/nowhere/{'folder' * 20}/{n}" for n in range(2_000))]
    monkeypatch.setattr(sys, "path", path)
    monkeypatch.setattr(sys, "argv", ["program", *map(str, range(50_000))])
    monkeypatch.setenv("LONG", "x" * 100_000)

    async def main() -> None:
        async with fournil.ProcessPool(1, start_method=method) as pool:
            assert await pool.run(arguments) == (50_001, len(path), 100_000)

    run(main)


NAMES = ("marshal", "posix", "os", "struct", "socket", "signal", "typing", "ctypes", "logging")
PROGRAM = """
import asyncio, sys
import fournil

def main():
    async def main():
        async with fournil.ProcessPool(1, start_method=sys.argv[1]) as pool:
            print(await pool.run(len, "four"))
    asyncio.run(main())

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, method: Method) -> None:
    """As the script itself does not, which lies elsewhere."""
    (tmp_path / "program").mkdir()
    program = tmp_path / "program" / "program.py"
    program.write_text(PROGRAM)
    current = tmp_path / "current"
    current.mkdir()
    for name in (*NAMES, "fournil", "sitecustomize"):
        (current / f"{name}.py").write_text(f"import sys; print('imported {name}', flush=True)\n")
    ended = subprocess.run(
        [sys.executable, program, method], cwd=current, capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("4\n", "")


def test_a_forkserver_that_is_stopped(run: Run) -> None:
    """It goes on when a worker is wanted."""

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(double, 1) == 2
            forkserver = engine_of(pool).starter
            assert isinstance(forkserver, Forkserver)
            os.kill(forkserver._process.pid, signal.SIGSTOP)
            with pytest.raises(fournil.WorkerDied):
                await pool.run(os._exit, 1)
            assert await pool.run(double, 1) == 2

    run(main)


def stop_my_reaper() -> None:
    os.kill(os.getppid(), signal.SIGSTOP)
    os._exit(1)


def test_a_reaper_that_is_stopped(run: Run) -> None:
    """Who waits for the end of its worker is told."""

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            with pytest.raises(fournil.WorkerDied):
                await pool.run(stop_my_reaper)
            assert await pool.run(double, 1) == 2

    run(main)
