"""What the recorder writes of steps and tasks, whatever makes them run."""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_file
from fournil.observe.recording.tasks import TaskState
from fournil.record.kinds import Kind

Main = Callable[[], Awaitable[Any]]


@pytest.fixture
def record(tmp_path: Path) -> Callable[[Main], Recording]:
    def record(main: Main) -> Recording:
        path = tmp_path / "steps.fournil"
        with fournil.Recorder(path):
            fournil.run(main())  # type: ignore[arg-type]
        return snapshot(read_file(str(path)))

    return record


def functions(recording: Recording, kind: Kind) -> Counter[str]:
    """Return how many steps of a kind each function ran."""
    found: Counter[str] = Counter()
    for step in recording.events.steps():
        if step.kind == kind:
            site = recording.site_of(step.subject)
            found[site.function.rpartition(".")[2] if site else "?"] += 1
    return found


def test_each_kind_of_step(record: Callable[[Main], Recording]) -> None:
    near, far = socket.socketpair()

    def soon() -> None: ...
    def later() -> None: ...
    def from_thread() -> None: ...

    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def readable() -> None:
            near.recv(1)
            loop.remove_reader(near)
            loop.add_writer(far, writable)

        def writable() -> None:
            loop.remove_writer(far)
            done.set_result(None)

        loop.call_soon(soon)
        loop.call_soon(functools.partial(soon))
        loop.call_later(0.001, later)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(from_thread,))
        thread.start()
        loop.add_reader(near, readable)
        far.send(b"x")
        await done
        await asyncio.sleep(0.002)
        thread.join()

    with near, far:
        recording = record(main)
    callbacks = functions(recording, Kind.CALLBACK)
    assert callbacks["soon"] == 2
    assert callbacks["from_thread"] == 1
    assert functions(recording, Kind.TIMER)["later"] == 1
    assert functions(recording, Kind.READER)["readable"] == 1
    assert functions(recording, Kind.WRITER)["writable"] == 1
    assert functions(recording, Kind.TASK)["main"] >= 3


def test_who_made_a_task_that_ran_before_the_recording_is_not_known(tmp_path: Path) -> None:
    async def later(event: asyncio.Event) -> None:
        await event.wait()
        await asyncio.sleep(0)

    async def made_directly() -> None: ...

    async def main() -> None:
        event = asyncio.Event()
        waiting = asyncio.create_task(later(event))
        await asyncio.sleep(0)
        with fournil.Recorder(tmp_path / "r"):
            await asyncio.sleep(0)
            event.set()
            await asyncio.Task(made_directly())
            await waiting

    fournil.run(main())
    recording = snapshot(read_file(str(tmp_path / "r")))
    makers = {
        recording.codes[task.site].function.rpartition(".")[2]: recording.describe(task.parent)
        for task in recording.tasks.values()
    }
    assert makers["later"] is None
    assert makers["main"] is None
    assert makers["made_directly"] is not None
    assert "main" in makers["made_directly"]


def test_tasks_names_parents_and_ends(record: Callable[[Main], Recording]) -> None:
    async def finishes() -> None:
        await asyncio.sleep(0)

    async def raises() -> None:
        raise ValueError

    async def waits() -> None:
        await asyncio.Event().wait()

    async def parent() -> None:
        tasks = [
            asyncio.create_task(finishes(), name="fin"),
            asyncio.create_task(raises(), name="ra\N{LATIN SMALL LETTER I WITH DIAERESIS}se"),
            asyncio.create_task(waits()),
            asyncio.Task(finishes(), name="made directly"),
        ]
        await asyncio.sleep(0.001)
        tasks[2].cancel()
        await asyncio.wait(tasks)
        assert isinstance(tasks[1].exception(), ValueError)

    recording = record(parent)
    tasks = {task.name: task for task in recording.tasks.values()}
    main = next(task for task in tasks.values() if task.site and task.parent == 0)
    assert tasks["fin"].state is TaskState.FINISHED
    assert tasks["ra\N{LATIN SMALL LETTER I WITH DIAERESIS}se"].state is TaskState.RAISED
    cancelled = [task for task in tasks.values() if task.state is TaskState.CANCELLED]
    assert [recording.sites[task.site].function.endswith("waits") for task in cancelled] == [True]
    assert cancelled[0].name.startswith("Task-")
    for task in (tasks["fin"], tasks["made directly"], cancelled[0]):
        assert task.parent == main.id
    assert tasks["fin"].steps == 2
    site = recording.sites[tasks["fin"].site]
    assert site.file == __file__
    assert site.line == finishes.__code__.co_firstlineno


def test_a_name_set_after_creation_and_one_that_is_not_text(
    record: Callable[[Main], Recording],
) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(work())
        task.set_name("renamed")
        odd = asyncio.create_task(work(), name="\udc80")
        await asyncio.gather(task, odd)

    recording = record(main)
    assert "renamed" in {task.name for task in recording.tasks.values()}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks(record: Callable[[Main], Recording]) -> None:
    async def ends_at_once() -> int:
        return 1

    async def waits() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        factory = getattr(asyncio, "eager_task_factory")  # noqa: B009  # new in Python 3.12
        asyncio.get_running_loop().set_task_factory(factory)
        tasks = [asyncio.create_task(ends_at_once()), asyncio.create_task(waits())]
        await asyncio.gather(*tasks)

    recording = record(main)
    by_function = {
        recording.sites[task.site].function.rpartition(".")[2]: task
        for task in recording.tasks.values()
    }
    assert by_function["ends_at_once"].state is TaskState.FINISHED
    assert by_function["ends_at_once"].steps == 0
    assert by_function["waits"].state is TaskState.FINISHED
    assert by_function["waits"].steps == 1


def test_wakers(record: Callable[[Main], Recording]) -> None:
    async def producer(queue: asyncio.Queue[int]) -> None:
        for number in range(3):
            await queue.put(number)
            await asyncio.sleep(0)

    async def consumer(queue: asyncio.Queue[int]) -> None:
        for _ in range(3):
            await queue.get()

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        eater = asyncio.create_task(consumer(queue), name="eater")
        await asyncio.sleep(0)
        maker = asyncio.create_task(producer(queue), name="maker")
        await asyncio.gather(eater, maker)

    recording = record(main)
    ids = {task.name: task.id for task in recording.tasks.values()}
    wakers = [step.waker for step in recording.events.steps() if step.subject == ids["eater"]]
    assert ids["maker"] in wakers[1:]
    assert 0 not in wakers


def test_totals_agree_with_events(record: Callable[[Main], Recording]) -> None:
    async def work() -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(10)))

    recording = record(main)
    (loop,) = recording.loops
    steps = list(recording.events.steps())
    assert loop.steps == len(steps)
    assert loop.in_steps_s == pytest.approx(sum(step.duration for step in steps), rel=1e-6)
    for task in recording.tasks.values():
        own = [step for step in steps if step.subject == task.id]
        assert task.steps == len(own)
        assert task.busy_s == pytest.approx(sum(step.duration for step in own), rel=1e-6)
        assert task.delay_s == pytest.approx(sum(step.delay for step in own), rel=1e-6)
    assert loop.ran_s > 0
    assert loop.in_steps_s + loop.idle_s <= loop.ran_s * 1.001


def test_recording_begins_and_ends_inside_a_running_loop(tmp_path: Path) -> None:
    path = tmp_path / "inner.fournil"

    async def main() -> None:
        with fournil.Recorder(path):
            await asyncio.sleep(0)
            await asyncio.create_task(asyncio.sleep(0.001), name="inner")
        await asyncio.create_task(asyncio.sleep(0), name="after")

    fournil.run(main())
    recording = snapshot(read_file(str(path)))
    names = {task.name for task in recording.tasks.values()}
    assert "inner" in names
    assert "after" not in names


def test_one_recorder_at_a_time(tmp_path: Path) -> None:
    with fournil.Recorder(tmp_path / "one"):
        other = fournil.Recorder(tmp_path / "two")
        with pytest.raises(RuntimeError, match="under way already"):
            other.start()
        assert not (tmp_path / "two").exists()
    with fournil.Recorder(tmp_path / "two"):
        pass


def test_the_file_is_private_and_the_default_one_is_removed() -> None:
    with fournil.Recorder() as recorder:
        path = recorder.path
        assert path is not None
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


@pytest.mark.parametrize("threshold", [0, -1, float("nan"), float("inf"), 1e-9])
def test_a_threshold_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"from 0.001 to 3600, got"):
        fournil.Recorder(threshold=threshold)


def test_exceptions_never_retrieved_and_tasks_destroyed(
    record: Callable[[Main], Recording],
) -> None:
    async def fails() -> None:
        raise ValueError("lost")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        task = asyncio.create_task(fails())
        await asyncio.wait([task])
        del task

    recording = record(main)
    site = next(site for site in recording.sites.values() if site.function.endswith("fails"))
    assert site.never_retrieved == 1
