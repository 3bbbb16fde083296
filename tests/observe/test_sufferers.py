"""Who waited while a step blocked the loop, in recordings written by hand and in real ones."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

import fournil
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.replay.sufferers import Suffering, find_sufferers, suffering
from fournil.observe.report.publish import load
from fournil.record.kinds import Kind
from tests.observe.builder import Builder


def all_of(recording: Recording) -> Suffering:
    return suffering(recording.blocked, find_sufferers(recording))


def blocked_for_a_second(*others: tuple[Kind, float, float, float]) -> Suffering:
    """Return who suffered from a step from 1 s to 2 s; others: kind, ready, begin, duration."""
    builder = Builder()
    site = builder.site("handle")
    tasks = [builder.task(site) for _ in range(len(others) + 1)]
    loop = builder.loop()
    builder.event(Kind.TASK, 1.0, 1.0, subject=tasks[0], thread=loop)
    builder.blocked(1.0, 2.0, tasks[0], thread=loop)
    for task, (kind, ready, begin, duration) in zip(tasks[1:], others, strict=True):
        builder.event(kind, begin, duration, delay=begin - ready, subject=task, thread=loop)
    return all_of(snapshot(read_buffer(builder.build())))


def test_nobody() -> None:
    assert blocked_for_a_second() == Suffering(0, 0.0, 0.0, 0, {}, 0)
    assert blocked_for_a_second((Kind.TASK, 2.5, 2.5, 0.1)).steps == 0


def test_steps_that_were_ready() -> None:
    found = blocked_for_a_second(
        (Kind.TASK, 0.9, 2.0, 0.1),
        (Kind.CALLBACK, 1.75, 2.1, 0.1),
        (Kind.TASK, 2.05, 2.2, 0.1),
        (Kind.TIMER, 1.5, 2.3, 0.1),
        (Kind.TASK, 2.35, 2.4, 0.1),
    )
    assert found.steps == 3
    assert found.total_s == pytest.approx(1.0 + 0.25 + 0.5, abs=1e-4)
    assert found.longest_s == pytest.approx(1.0, abs=1e-4)
    assert found.arrived == 0
    assert found.unknown == 0


def test_the_task_itself_and_what_it_made_ready_at_its_end_have_not_waited() -> None:
    builder = Builder()
    site = builder.site("handle")
    tasks = [builder.task(site) for _ in range(2)]
    loop = builder.loop()
    builder.event(Kind.TASK, 1.0, 1.0, subject=tasks[0], thread=loop)
    builder.blocked(1.0, 2.0, tasks[0], thread=loop)
    builder.event(Kind.TASK, 2.0, 0.1, delay=0.5, subject=tasks[0], thread=loop)
    builder.event(Kind.TASK, 2.1, 0.1, delay=0.1001, subject=tasks[1], thread=loop)
    assert all_of(snapshot(read_buffer(builder.build()))).steps == 0


def test_a_step_that_waited_for_two() -> None:
    builder = Builder()
    site = builder.site("handle")
    tasks = [builder.task(site) for _ in range(3)]
    loop = builder.loop()
    for number in range(2):
        begin = 1.0 + number
        builder.event(Kind.TASK, begin, 1.0, delay=number, subject=tasks[number], thread=loop)
        builder.blocked(begin, begin + 1.0, tasks[number], thread=loop)
    builder.event(Kind.TASK, 3.0, 0.1, delay=2.0, subject=tasks[2], thread=loop)
    found = all_of(snapshot(read_buffer(builder.build())))
    assert found.steps == 2
    assert found.longest_s == pytest.approx(2.0, abs=1e-4)
    assert found.total_s == pytest.approx(3.0, abs=1e-4)


def test_several_that_one_callback_woke_are_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(asyncio.sleep(0.01), name=name)
            group.create_task(block(), name="block")

    async def block() -> None:
        await asyncio.sleep(0.001)
        time.sleep(0.1)

    with fournil.Recorder(tmp_path / "recording", threshold=0.05):
        fournil.run(main())
    recording = load(str(tmp_path / "recording")).recording
    found = all_of(recording)
    assert found.steps == 3
    woken = [recording.describe(woke) for _, woke in found.by]
    assert sorted(str(name).split()[0] for name in woken) == ["a", "b", "c"]


def test_what_came_meanwhile() -> None:
    found = blocked_for_a_second(
        (Kind.READER, 2.0001, 2.0001, 0.1),
        (Kind.READER, 2.0001, 2.1001, 0.1),
        (Kind.READER, 2.2, 2.2002, 0.1),
    )
    assert found.steps == found.arrived == 2
    assert found.total_s == pytest.approx(1.0, abs=1e-4)


def test_what_came_while_the_loop_waited() -> None:
    assert blocked_for_a_second((Kind.READER, 2.3, 2.3, 0.1)).steps == 0


def test_a_step_that_is_not_left() -> None:
    builder = Builder()
    task = builder.task(builder.site("handle"))
    builder.blocked(1.0, 2.0, task, thread=builder.loop())
    assert all_of(snapshot(read_buffer(builder.build()))).unknown == 1


def test_of_a_real_loop(tmp_path: Path) -> None:
    """A timer, a callback and a datagram wait for a step; a later callback does not."""
    inside, outside = socket.socketpair()

    async def of_main() -> None:
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.add_reader(inside, received, came)
        reading = loop.create_task(read(came))
        await asyncio.sleep(0)
        loop.call_later(0.001, timer)
        loop.call_soon(callback)
        outside.send(b"x")
        time.sleep(0.1)
        await reading
        loop.remove_reader(inside)
        await asyncio.sleep(0.02)

    async def read(came: asyncio.Future[None]) -> None:
        await came

    def received(came: asyncio.Future[None]) -> None:
        if not came.done():
            came.set_result(None)

    def timer() -> None:
        pass

    def callback() -> None:
        pass

    with inside, outside:
        with fournil.Recorder(tmp_path / "recording", threshold=0.05):
            fournil.run(of_main())
        recording = load(str(tmp_path / "recording")).recording
    (step,) = recording.blocked
    found = suffering([step], find_sufferers(recording))
    assert found.steps == 3
    assert found.arrived == 1
    names = {recording.describe(subject) for subject, _ in found.by}
    assert {str(name).rpartition(".")[2] for name in names} == {
        "timer()",
        "callback()",
        "received()",
    }
    assert 0.9 * step.duration_s < found.longest_s <= step.duration_s
