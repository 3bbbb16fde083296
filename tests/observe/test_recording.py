"""Recordings as scripts see them."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from fournil.errors import RecordingError
from fournil.record.kinds import Kind
from fournil.recording import Frame, Recording, follow, load
from tests.observe import samples
from tests.observe.builder import APP, Builder, site_subject

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.fournil"


def loaded(builder: Builder, path: Path) -> Recording:
    path.write_bytes(builder.build())
    return load(str(path))


def test_blocked_steps(path: Path) -> None:
    recording = loaded(samples.bakery(), path)
    assert [step.blocker for step in recording.blocked] == (
        ["waiting"] * 4 + ["python"] * 3 + ["native-gil"]
    )
    first, *_, last = recording.blocked
    assert first.culprit == Frame(APP, 42, "fetch")
    assert first.stack[0].function == "readinto"
    assert (first.kind, first.who, first.loop) == ("task", "Task-2 (handle)", 1)
    assert (last.kind, last.who) == ("reader", "Feed.on_readable()")
    assert recording.lag.max_s == pytest.approx(1.01)
    assert recording.lag == recording.loops[0].lag


def test_tasks_and_sites(path: Path) -> None:
    recording = loaded(samples.bakery(), path)
    by_name = {task.name: task for task in recording.tasks}
    price = by_name["price-1"]
    assert (price.state, price.made_by) == ("finished", "Task-2 (handle)")
    assert price.site in recording.sites
    assert price.site is not None
    assert (price.site.function, price.site.line, price.site.tasks) == ("price", 60, 3)
    assert by_name["Task-11"].state == "pending"
    assert by_name["Task-11"].ended_s is None


def test_tables_of_tasks(path: Path) -> None:
    recording = loaded(samples.bakery(), path)
    columns = recording.task_columns()
    assert columns["name"] == [task.name for task in recording.tasks]
    assert columns["state"] == [task.state for task in recording.tasks]
    assert columns["line"] == [task.site and task.site.line for task in recording.tasks]
    assert columns["busy_s"] == [task.busy_s for task in recording.tasks]
    assert not any(loaded(samples.script(), path).task_columns().values())


def test_steps(path: Path) -> None:
    builder = Builder(events=4)
    site = builder.site("work")
    task = builder.task(site)
    builder.loop(number=3)
    for number in range(3):
        builder.event(Kind.TASK, number, 0.25, delay=0.125, subject=task)
        builder.event(Kind.WAIT, number + 0.5)
    builder.event(Kind.TIMER, 4.0, 0.5, subject=site_subject(site), thread=9)
    recording = loaded(builder, path)
    first, timer = recording.steps()
    assert (first.kind, first.task, first.loop) == ("task", task, 3)
    assert (first.begin_s, first.duration_s, first.delay_s) == pytest.approx((2.0, 0.25, 0.125))
    assert first.site is timer.site
    assert first.site
    assert first.site.function == "work"
    assert (timer.kind, timer.task, timer.loop) == ("timer", None, 0)
    columns = recording.step_columns()
    assert columns["begin_s"] == pytest.approx([2.0, 4.0])
    assert columns["loop"] == [3, 0]
    assert recording.lost.events == 3


def test_pools_and_calls(path: Path) -> None:
    recording = loaded(samples.pools(), path)
    small, waits = recording.pools
    assert (small.kind, small.calls, small.died, small.in_flight) == ("ProcessPool", 20, 1, 0)
    assert (waits.is_open, waits.in_flight) == (True, 1)
    calls = [call for call in recording.calls if call.pool == small.number]
    assert [call.state for call in calls].count("died") == 1
    assert calls[0].site
    assert calls[0].site.function == "price"
    assert calls[0].began_s == pytest.approx(1.53)


def test_a_call_of_a_pool_whose_number_is_cut_short(path: Path) -> None:
    builder = Builder()
    number = (1 << 16) + 2
    builder.pool("ThreadPool", 1, opened=1.0, number=number, calls=1, done=1)
    builder.call(2, 1.0, 0, 1.1, 1.2, 1.3)
    recording = loaded(builder, path)
    assert [call.pool for call in recording.calls] == [number]


def test_a_program_without_a_loop(path: Path) -> None:
    recording = loaded(samples.script(), path)
    assert (recording.loops, recording.lag.max_s) == ((), 0.0)
    assert not recording.blocked


def test_what_is_read_does_not_change(path: Path) -> None:
    recording = loaded(samples.calm(), path)
    with pytest.raises(FrozenInstanceError):
        recording.run_s = 0.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        recording.sites[0].steps = 0  # type: ignore[misc]


def test_there_is_no_recording(path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        load(str(path))
    with pytest.raises(RecordingError, match="no such file"):
        next(follow(str(path)))


def test_following_what_has_ended_yields_it_once(path: Path) -> None:
    path.write_bytes(samples.bakery().build())
    (recording,) = follow(str(path), every=60.0)
    assert len(recording.blocked) == 8


PROGRAM = """
import asyncio, sys, fournil

async def work():
    while True:
        await asyncio.sleep(0)

async def main():
    worker = asyncio.create_task(work(), name="worker")
    await asyncio.sleep(0)
    print("ready", flush=True)
    await worker

with fournil.Recorder(sys.argv[1]):
    fournil.run(main())
"""


def test_following_a_program_until_it_is_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout
        program.stdout.readline()
        steps = []
        try:
            for recording in follow(str(path), every=0.01):
                steps.append(sum(loop.steps for loop in recording.loops))
                assert {task.name for task in recording.tasks} >= {"worker"}
                if len(set(steps)) > 3:
                    program.kill()
                    program.wait()
        finally:
            program.kill()
    assert program.returncode == -signal.SIGKILL
    assert steps == sorted(steps)
    assert not recording.alive
    assert not recording.ended


def test_the_examples_of_the_readme(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = README.read_text().partition("## Ask a recording\n")[2].partition("\n## ")[0]
    loaded(samples.bakery(), path)
    monkeypatch.chdir(path.parent)
    out = io.StringIO()
    with redirect_stdout(out):
        exec("\n".join(re.findall("```python\n(.*?)```", section, re.DOTALL)), {})
    assert out.getvalue().splitlines()[0] == "lag p99 969 ms"
    assert f"waiting for 1.01 s at {APP}:42" in out.getvalue()
    assert "handle took 3.98 s in 16 steps" in out.getvalue()
    assert "12345 steps, 8 blocked" in out.getvalue()
