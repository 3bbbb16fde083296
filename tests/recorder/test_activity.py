"""What a recording says of loops and tasks while they go on, and how they were second by second."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import fournil
from fournil.observe.recording.events import Births
from fournil.observe.recording.live import load
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_file
from fournil.record.kinds import Kind

HELD_S = 0.4


@contextmanager
def program(source: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program that gets a path for its recording, until it is killed."""
    prelude = "import asyncio, ctypes, sys, threading, time, fournil\npath = sys.argv[1]\n"
    with subprocess.Popen(
        [sys.executable, "-c", prelude + source, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(path: Path, holds: Callable[[Recording], object]) -> Recording:
    """Read a recording again and again, until something holds."""
    while not holds(recording := load(str(path))):
        assert recording.alive
        time.sleep(0.01)
    return recording


def test_a_birth_says_where_the_task_is(tmp_path: Path) -> None:
    path = tmp_path / "births"

    async def main() -> None:
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(50)))

    with fournil.Recorder(path):
        fournil.run(main())
    recording = load(str(path))
    births = Births()
    births.add(read_file(str(path)).events, 1_000)
    ids = recording.tasks.numbers("id")
    assert len(ids) > 50
    for slot, task in enumerate(ids):
        birth = births.get(task)
        assert birth is not None
        assert (birth.slot, birth.site) == (slot, recording.tasks[task].site)
        assert birth.maker == recording.tasks[task].parent
    assert all(event.delay < 1 for event in recording.events)


def test_the_last_step_of_a_task(tmp_path: Path) -> None:
    path = tmp_path / "last"

    async def nap() -> None:
        await asyncio.sleep(0.02)

    async def main() -> None:
        napping = asyncio.create_task(nap(), name="nap")
        never = asyncio.create_task(asyncio.sleep(9))
        never.cancel()
        first = load(str(path)).tasks.values()
        assert [task.last_s for task in first] == [None] * 3  # this step, the first one, goes on
        await asyncio.sleep(0)
        (task,) = (task for task in load(str(path)).tasks.values() if "nap" in task.name)
        assert task.last_s is not None
        assert task.ended_s is None
        await napping

    with fournil.Recorder(path):
        fournil.run(main())
    recording = load(str(path))
    ends = {
        step.subject: step.begin + step.duration
        for step in recording.events
        if step.kind == Kind.TASK
    }
    assert len(ends) >= 3
    for id_, end in ends.items():
        assert recording.tasks[id_].last_s == pytest.approx(end, abs=1e-6)
        assert recording.tasks[id_].ended_s == recording.tasks[id_].last_s


def test_a_site_has_the_steps_of_pending_tasks(tmp_path: Path) -> None:
    path = tmp_path / "pending"

    async def wait(event: asyncio.Event) -> None:
        await event.wait()

    async def main() -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(wait(event)) for _ in range(100)]
        await asyncio.sleep(0)
        recording = load(str(path))
        (site,) = (site for site in recording.sites.values() if "wait" in site.function)
        assert (site.steps, site.tasks, site.ended) == (100, 100, 0)
        assert 0 < site.longest_s <= site.busy_s
        assert recording.loops[0].pending == 101
        event.set()
        await asyncio.gather(*tasks)

    with fournil.Recorder(path):
        fournil.run(main())
    (site,) = (site for site in load(str(path)).sites.values() if "wait" in site.function)
    assert (site.steps, site.tasks, site.ended) == (200, 100, 100)
    assert load(str(path)).loops[0].pending == 0


def test_destroyed_tasks_are_pending_no_more(tmp_path: Path) -> None:
    path = tmp_path / "destroyed"
    lost: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        await asyncio.sleep(0)

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async def lose() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert load(str(path)).loops[0].pending == 2
        asyncio.tasks._unregister_task(task)
        del task

    with fournil.Recorder(path):
        with asyncio.Runner(loop_factory=fournil.new_event_loop) as runner:
            runner.run(main())
            runner.run(lose())
            gc.collect()
            lost.clear()  # its context has the task
            gc.collect()
        assert load(str(path)).loops[0].pending == 0


# The wait for the GIL.


def hold_the_gil(go: threading.Event) -> None:
    go.wait()
    ctypes.PyDLL(None).usleep(int(HELD_S * 1e6))


def test_the_wait_for_the_gil_between_steps(tmp_path: Path) -> None:
    path = tmp_path / "gil"

    async def main() -> None:
        go = threading.Event()
        thread = threading.Thread(target=hold_the_gil, args=(go,))
        thread.start()
        await asyncio.sleep(0.01)
        go.set()
        # In the kernel, when the thread takes the GIL; due, while it still has it.
        await asyncio.sleep(HELD_S / 4)
        thread.join()

    with fournil.Recorder(path, threshold=HELD_S / 4):
        fournil.run(main())
    recording = load(str(path))
    (loop,) = recording.loops
    assert HELD_S / 4 < loop.gil_longest_s <= loop.gil_wait_s
    assert loop.lag.max >= loop.gil_longest_s
    assert loop.busy_s < loop.ran_s - loop.gil_wait_s
    waits = [event for event in recording.events if event.kind == Kind.WAIT]
    assert max(wait.delay for wait in waits) == pytest.approx(loop.gil_longest_s)
    assert all(wait.delay <= wait.duration for wait in waits)
    assert sum(second.gil_wait_s for second in recording.history) == pytest.approx(
        loop.gil_wait_s, rel=0.01
    )
    assert max(second.lag_max_s for second in recording.history) > HELD_S / 4


def test_a_loop_that_waits_for_the_gil_until_its_program_is_killed(tmp_path: Path) -> None:
    source = """
async def main():
    go = threading.Event()
    def hold():
        go.wait()
        ctypes.PyDLL(None).usleep(600_000_000)
    threading.Thread(target=hold, daemon=True).start()
    await asyncio.sleep(0.01)
    go.set()
    await asyncio.sleep(0.1)

with fournil.Recorder(path):
    print("on", flush=True)
    fournil.run(main())
"""
    path = tmp_path / "stuck"
    with program(source, path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stuck = until(path, lambda seen: seen.loops and seen.loops[0].gil_wait_s > 0.1)
    assert stuck.loops[0].running is None
    dead = load(str(path))
    assert not dead.alive
    assert dead.loops[0].gil_wait_s >= stuck.loops[0].gil_wait_s
    assert dead.loops[0].lag.max > 0.1


# The history.


def test_the_history_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "history"

    async def main() -> None:
        waiting = [asyncio.create_task(asyncio.sleep(30)) for _ in range(5)]
        time.sleep(0.1)
        await asyncio.sleep(1.2)
        for task in waiting:
            task.cancel()

    with fournil.Recorder(path):
        fournil.run(main())
    recording = load(str(path))
    (loop,) = recording.loops
    rows = recording.history
    assert len(rows) >= 2
    assert {row.loop for row in rows} == {loop.number}
    assert sum(row.steps for row in rows) == loop.steps
    assert sum(row.blocked for row in rows) == loop.blocked >= 1
    assert sum(row.busy_s for row in rows) == pytest.approx(loop.busy_s, rel=0.05)
    assert rows[0].pending == 6
    assert rows[-1].pending == 0
    assert max(row.lag_max_s for row in rows) == pytest.approx(loop.lag.max, rel=0.13)
    ends = [row.end_s for row in rows]
    assert ends == sorted(ends)
    assert all(row.lasted_s > 0 for row in rows)


def test_a_loop_that_is_stuck_has_a_history_all_the_same(tmp_path: Path) -> None:
    source = """
async def main():
    await asyncio.sleep(0.01)
    time.sleep(600)

with fournil.Recorder(path):
    print("on", flush=True)
    fournil.run(main())
"""
    path = tmp_path / "stuck"
    with program(source, path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stuck = until(path, lambda seen: len(seen.history) > 1)
    first, second = stuck.history[:2]
    assert second.steps == 0
    assert second.lag_max_s > first.lag_max_s
    assert second.lag_p99_s > 0.9 * second.lag_max_s
    assert second.busy_s == pytest.approx(second.lasted_s, rel=0.01)


def test_each_loop_has_a_history_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "loops"
    with fournil.Recorder(path):
        threads = [
            threading.Thread(target=lambda: fournil.run(asyncio.sleep(0.05))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    recording = load(str(path))
    steps = {loop.number: loop.steps for loop in recording.loops}
    for number, count in steps.items():
        assert sum(row.steps for row in recording.history if row.loop == number) == count


def test_more_loops_than_there_are_slots(tmp_path: Path) -> None:
    path = tmp_path / "many"
    with fournil.Recorder(path):
        for _ in range(100):
            fournil.run(asyncio.sleep(0))
    recording = load(str(path))
    assert recording.unseen.closed_loops == 100 + 1 - 64
    numbers = [loop.number for loop in recording.loops]
    assert sorted(numbers) == list(range(38, 101))
    assert all(loop.steps >= 1 and loop.pending == 0 for loop in recording.loops)


def test_a_stepping_loop_runs_nothing_that_lasts(tmp_path: Path) -> None:
    """Each step that is seen to run is one whole step: its kind and subject are of it."""
    source = """
async def turn():
    while True:
        await asyncio.sleep(0)

async def main():
    def tick():
        asyncio.get_running_loop().call_soon(tick)
    tick()
    await asyncio.gather(*(turn() for _ in range(3)))

with fournil.Recorder(path, watch=False):
    print("on", flush=True)
    fournil.run(main())
"""
    path = tmp_path / "steps"
    with program(source, path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        until(path, lambda recording: recording.loops)
        for _ in range(200):
            recording = load(str(path))
            if step := recording.loops[0].running:
                code = recording.code_of(step.subject)
                assert code is not None
                expected = {Kind.TASK: {"turn", "main"}, Kind.CALLBACK: {"main.<locals>.tick"}}
                assert code.function in expected.get(Kind(step.kind), {code.function})
