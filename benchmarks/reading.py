"""What reading recordings takes: python -m benchmarks.reading.

Three figures, each with what it should be at most:

- a poll of a program with 100,000 tasks that run 100,000 steps a second, in processor time;
- the first look at it: everything read, and all but single steps decoded;
- a finished recording of a million steps, everything decoded, steps as columns.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import fournil
from fournil.recording import Recording, follow, load

TASKS = 100_000
STEPS_A_SECOND = 100_000
POLLS = 50
EVERY_S = 0.1
STEPS = 1_000_000
ROUNDS = 5

Figure = tuple[str, float, float, str]
"""A figure's name, its value, its bound, and the unit of both."""


async def crowd() -> None:
    """Run a crowd of tasks, until nobody reads standard input's other end."""

    async def nap() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(TASKS / STEPS_A_SECOND)

    tasks = [asyncio.create_task(nap()) for _ in range(TASKS)]
    await asyncio.sleep(2 * TASKS / STEPS_A_SECOND)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()


async def turns() -> None:
    """Run a million steps of a thousand tasks."""

    async def turn() -> None:
        for _ in range(STEPS // 1_000):
            await asyncio.sleep(0)

    await asyncio.gather(*(turn() for _ in range(1_000)))


def record(path: str, program: Callable[[], Any], size: int) -> None:
    with fournil.Recorder(path, size=size):
        fournil.run(program())


def look(recording: Recording) -> None:
    """Make all that a recording has but single steps."""
    for part in (recording.sites, recording.blocked, recording.calls):
        len(part)
    recording.task_columns()


def everything(recording: Recording) -> int:
    """Make all that a recording has, steps as columns; return how many steps these are."""
    look(recording)
    return len(recording.step_columns()["begin_s"])


def took(work: Callable[[], Any]) -> float:
    """Return the processor time of a piece of work, in seconds."""
    before = time.process_time()
    work()
    return time.process_time() - before


def live(folder: Path) -> list[Figure]:
    path = str(folder / "live.fournil")
    command = [sys.executable, "-m", "benchmarks.reading", "crowd", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin
        assert program.stdout
        program.stdout.readline()
        first = took(lambda: look(load(path)))
        polls, totals, steps, tasks = [], [], [], 0
        recordings = follow(path, every=EVERY_S)
        for _ in range(POLLS):
            before = time.process_time()
            recording = next(recordings)
            polls.append(time.process_time() - before)
            totals.append(took(lambda: len(recording.sites)))  # noqa: B023
            steps.append((time.monotonic(), sum(loop.steps for loop in recording.loops)))
            tasks = len(recording.task_columns()["id"]) if len(steps) == POLLS else 0
        recordings.close()  # type: ignore[attr-defined]
        with suppress(OSError):
            program.stdin.close()
    (began, before_), (ended, after) = steps[1], steps[-1]
    rate = (after - before_) / (ended - began)
    print(f"{tasks:,} tasks, {rate:,.0f} steps a second")
    return [
        ("poll, median", statistics.median(polls[1:]) * 1e3, 5.0, "ms"),
        ("and all sites", statistics.median(totals[1:]) * 1e3, 30.0, "ms"),
        ("first look", first * 1e3, 300.0, "ms"),
    ]


def finished(folder: Path) -> Figure:
    path = str(folder / "finished.fournil")
    record(path, turns, 64 << 20)
    steps = everything(load(path))
    rates = [steps / took(lambda: everything(load(path))) for _ in range(ROUNDS)]
    print(f"{steps:,} steps in {os.path.getsize(path):,} bytes")
    return "load, steps", max(rates) / 1e6, 2.0, "million a second, or more"


def main() -> int:
    if sys.argv[1:2] == ["crowd"]:
        record(sys.argv[2], crowd, 32 << 20)
        return 0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        for what, value, bound, unit in [*live(folder), finished(folder)]:
            print(f"{what:<14} {value:8.1f} {unit}  (wanted: {bound:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
