"""Tasks that did not end by themselves."""

from __future__ import annotations

from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_buffer
from fournil.observe.report.endings import Ending, unfinished
from fournil.record.kinds import (
    TASK_CANCELLED,
    TASK_DESTROYED,
    TASK_FINISHED,
    TASK_PENDING,
    TASK_RAISED,
)
from tests.observe.builder import APP, STDLIB, Builder


def found(builder: Builder) -> list[tuple[str | None, Ending, list[str]]]:
    return [
        (
            group.site.function if group.site else None,
            group.ending,
            [task.name for task in group.tasks],
        )
        for group in unfinished(snapshot(read_buffer(builder.build())))
    ]


def test_pending_and_destroyed_tasks_are_grouped_by_their_code() -> None:
    builder = Builder()
    poll, send = builder.site("poll"), builder.site("send")
    builder.task(poll, state=TASK_PENDING, born=3.0)
    builder.task(send, state=TASK_DESTROYED, last=2.0)
    builder.task(poll, state=TASK_PENDING, born=1.0)
    builder.task(poll, state=TASK_FINISHED, last=2.0)
    builder.task(poll, state=TASK_RAISED, last=2.0)
    assert found(builder) == [
        ("poll", Ending.PENDING, ["Task-3", "Task-1"]),
        ("send", Ending.DESTROYED, ["Task-2"]),
    ]


def test_tasks_cancelled_after_the_main_task_had_ended_were_left() -> None:
    builder = Builder()
    main = builder.task(builder.site("main"), state=TASK_FINISHED, last=5.0)
    poll = builder.site("poll")
    builder.task(poll, parent=main, state=TASK_CANCELLED, last=5.1)
    builder.task(poll, parent=main, state=TASK_CANCELLED, last=3.0)
    # asyncio.run makes these outside any step, after it has cancelled what was left.
    shutdown = builder.site("BaseEventLoop.shutdown_asyncgens", f"{STDLIB}/asyncio/base_events.py")
    builder.task(shutdown, state=TASK_FINISHED, born=5.2, last=5.3)
    assert found(builder) == [("poll", Ending.CANCELLED, ["Task-2"])]


def test_of_several_main_tasks_the_last_one_counts() -> None:
    builder = Builder()
    main = builder.site("main", APP)
    first = builder.task(main, state=TASK_FINISHED, last=2.0)
    builder.task(main, state=TASK_FINISHED, born=2.1, last=5.0)
    poll = builder.site("poll")
    builder.task(poll, parent=first, state=TASK_CANCELLED, last=4.0)
    builder.task(poll, parent=first, state=TASK_CANCELLED, last=5.5)
    assert found(builder) == [("poll", Ending.CANCELLED, ["Task-4"])]


def test_ctrl_c_cancels_the_main_task_and_then_the_rest() -> None:
    builder = Builder()
    main = builder.task(builder.site("main"), state=TASK_CANCELLED, last=2.0)
    builder.task(builder.site("poll"), parent=main, state=TASK_CANCELLED, last=2.1)
    assert found(builder) == [("poll", Ending.CANCELLED, ["Task-2"])]


def test_the_main_task_of_another_loop_does_not_count() -> None:
    builder = Builder()
    builder.task(builder.site("main"), state=TASK_FINISHED, last=2.0, thread=0)
    other = builder.task(builder.site("other"), state=TASK_FINISHED, last=5.0, thread=1)
    builder.task(builder.site("poll"), parent=other, state=TASK_CANCELLED, last=4.0, thread=1)
    assert found(builder) == []


def test_a_main_task_that_still_runs_has_left_nothing() -> None:
    builder = Builder().end(9.0, closed=False)
    main = builder.task(builder.site("main"), state=TASK_PENDING)
    builder.task(builder.site("poll"), parent=main, state=TASK_CANCELLED, last=4.0)
    assert found(builder) == [("main", Ending.PENDING, ["Task-1"])]
