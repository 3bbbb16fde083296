"""Steps of a loop that a step of its own runs, as nest_asyncio has it."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_file
from fournil.record.kinds import STEP_KINDS, TASK_FINISHED

BLOCKED_S = 0.2
"""Far longer than a busy machine holds up a step."""


def run_inside(loop: Any, future: asyncio.Future[Any]) -> None:
    """Run turns until a future is done, inside a step of the loop."""
    # The task of the step would be entered by the tasks of the turns.
    task: Any = asyncio.current_task(loop)
    asyncio.tasks._leave_task(loop, task)
    try:
        while not future.done():
            loop._run_once()
    finally:
        asyncio.tasks._enter_task(loop, task)


@pytest.fixture(params=["turns of the loop", "handles run one by one"])
def inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "turns of the loop":
        # As a loop that is patched runs them.
        def run_once(self: Any) -> None:
            self._process_events(self._selector.select(0.001))
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle._cancelled:
                    handle._run()

        monkeypatch.setattr(fournil.EventLoop, "_run_once", run_once, raising=False)


def record(path: Path, main: Any) -> Recording:
    with fournil.Recorder(path, threshold=BLOCKED_S / 2):
        fournil.run(main())
    return snapshot(read_file(str(path)))


async def several(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("inside")
def test_they_are_counted(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        run_inside(loop, loop.create_task(several(10), name="inner"))

    recording = record(tmp_path / "x", main)
    (inner,) = (task for task in recording.tasks.values() if task.name == "inner")
    assert (inner.state, inner.steps) == (TASK_FINISHED, 11)
    sites = {site.function.rpartition(".")[2]: site for site in recording.sites.values()}
    assert sites["main"].steps == 1


@pytest.mark.usefixtures("inside")
def test_who_blocked_is_the_inner_one(tmp_path: Path) -> None:
    async def block() -> None:
        time.sleep(BLOCKED_S)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        run_inside(loop, loop.create_task(block(), name="inner"))

    recording = record(tmp_path / "x", main)
    step = max(recording.blocked, key=lambda step: step.duration_s)
    assert (recording.describe(step.subject) or "").startswith("inner (")


@pytest.mark.usefixtures("inside")
def test_turns_inside_a_step_that_wait_block_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        thread = loop.run_in_executor(None, time.sleep, BLOCKED_S)
        thread.add_done_callback(lambda _: done.set_result(None))
        run_inside(loop, done)

    assert record(tmp_path / "x", main).blocked == ()


@pytest.mark.usefixtures("inside")
def test_what_a_step_did_before_and_after_its_turns_is_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        time.sleep(BLOCKED_S)
        run_inside(loop, loop.create_task(several(3)))
        time.sleep(BLOCKED_S)

    recording = record(tmp_path / "x", main)
    subjects = {step.subject for step in recording.blocked}
    assert len(recording.blocked) == 2
    assert len(subjects) == 1
    # No two events of a loop overlap: estimates replay them in their order.
    steps = [event for event in recording.events if event.kind in STEP_KINDS]
    spans = sorted((event.begin, event.begin + event.duration) for event in steps)
    clock_s = 1e-7
    for (_, end), (begin, _) in pairwise(spans):
        assert end <= begin + clock_s
