"""What the model says of recordings made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from fournil.observe.recording.lag import Lag
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import Meta, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.recording.tasks import TaskState
from fournil.record import kinds
from fournil.record.kinds import Kind
from tests.observe.builder import (
    APP,
    FOURNIL,
    OFF,
    PACKAGES,
    STDLIB,
    Builder,
    site_subject,
)


def read(builder: Builder) -> Recording:
    return snapshot(read_buffer(builder.build()))


def test_times_are_seconds_since_the_start() -> None:
    builder = Builder()
    builder.task(builder.site("main"), born=0.25, last=2.5, state=kinds.TASK_FINISHED, busy=1.5)
    recording = read(builder)
    assert recording.run_s == pytest.approx(10.0)
    assert recording.threshold_s == pytest.approx(0.05)
    task = recording.tasks[1]
    assert task.born_s == pytest.approx(0.25)
    assert task.ended_s == pytest.approx(2.5)
    assert task.busy_s == pytest.approx(1.5)
    assert task.state is TaskState.FINISHED


def test_what_the_program_said_about_itself() -> None:
    assert read(Builder()).meta == Meta(
        argv=("app.py",),
        main=APP,
        python="3.11.7",
        implementation="CPython",
        fournil="0.1.0",
        cores=2,
        stdlib_roots=(STDLIB,),
        package_roots=(PACKAGES,),
        fournil_roots=(FOURNIL,),
    )


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {"argv": 3, "main": [], "cores": "two", "code_roots": []},
        {"argv": [None], "cores": -1, "code_roots": {"stdlib": "x", "packages": [7]}},
        {"cores": True, "python": None, "code_roots": None},
        {"cores": 1 << 70},
    ],
)
def test_what_it_did_not_say_is_not_known(meta: dict[str, object] | None) -> None:
    said = read(Builder(meta=meta)).meta
    assert (said.argv, said.main, said.stdlib_roots, said.package_roots) == ((), None, (), ())
    assert said.cores is None


@pytest.mark.parametrize("text", ["[" * 100_000, "nonsense", "[1]", '{"cores": 1' + "0" * 9_999])
def test_meta_that_is_no_object_is_not_known(text: str) -> None:
    builder = Builder()
    builder.header["meta_text"] = builder.text(text)
    assert read(builder).meta == Meta()


def test_tasks_have_the_names_that_they_were_given() -> None:
    builder = Builder()
    site = builder.site("handle")
    builder.task(site, name="order-17")
    builder.task(site, name=4)
    builder.task(site, name=0)
    names = [task.name for task in read(builder).tasks.values()]
    assert names == ["order-17", "Task-4", "a task that never ran"]


def test_slots_that_are_empty_or_half_written_are_left_out() -> None:
    builder = Builder()
    site = builder.site("handle")
    builder.task(site, id=0)
    builder.task(site, state=99)
    builder.task(site, id=7)
    assert list(read(builder).tasks) == [7]


def test_a_site_has_its_totals() -> None:
    builder = Builder()
    site = builder.site("handle", steps=15, busy=1.5, delay=0.625, longest=0.5, tasks=3, ended=1)
    builder.task(site, steps=5, busy=0.5, delay=0.125, longest=0.5)
    found = read(builder).sites[site]
    assert (found.steps, found.tasks, found.ended) == (15, 3, 1)
    assert found.busy_s == pytest.approx(1.5)
    assert found.delay_s == pytest.approx(0.625)
    assert found.longest_s == pytest.approx(0.5)


def test_a_text_reference_that_leads_nowhere_is_a_question_mark() -> None:
    builder = Builder()
    builder.site("handle", function=1 << 31, file=0)
    site = read(builder).sites[1]
    assert (site.function, site.file) == ("?", "")


def test_names_that_are_no_utf8_are_kept_as_python_keeps_them() -> None:
    builder = Builder()
    builder.site("caf\u00e9", "/tmp/\udcff.py")
    site = read(builder).sites[1]
    assert (site.function, site.file) == ("caf\u00e9", "/tmp/\udcff.py")


def test_a_loops_busy_share_is_the_time_that_it_ran_and_did_not_wait() -> None:
    builder = Builder()
    builder.loop(ran=8.0, idle=6.0, steps=100, turns=[0.5] * 4)
    (loop,) = read(builder).loops
    assert loop.busy_share == pytest.approx(0.25)
    assert loop.busy_s == pytest.approx(2.0)
    assert loop.lag.max == pytest.approx(0.5, rel=0.125)


def test_a_loop_that_waits_when_the_recording_ends_is_counted_until_then() -> None:
    builder = Builder()
    builder.loop(running_since=2.0, ran=1.0, idle=0.5, waiting_since=9.0)
    (loop,) = read(builder).loops
    assert loop.ran_s == pytest.approx(9.0)
    assert loop.idle_s == pytest.approx(1.5)


def test_a_loop_that_never_ran_is_no_loop_of_the_program() -> None:
    builder = Builder()
    builder.loop(state=kinds.THREAD_SCRIPT, number=0)
    builder.loop(steps=0)
    recording = read(builder)
    assert recording.loops == []
    assert recording.script is not None
    thread = recording.threads[1]
    assert (thread.busy_share, thread.lag) == (0.0, Lag(0.0, 0.0, 0.0))


def test_the_main_thread_without_a_loop_is_no_loop() -> None:
    builder = Builder()
    builder.loop(state=kinds.THREAD_SCRIPT, number=0)
    builder.loop(state=kinds.THREAD_FREE)
    builder.loop(state=kinds.THREAD_CLOSED, number=1, ran=1.0)
    recording = read(builder)
    assert [loop.number for loop in recording.loops] == [1]
    assert recording.loops[0].closed
    assert recording.script is None


def test_the_turn_of_a_step_that_never_ended_makes_the_loop_late() -> None:
    builder = Builder().end(9.0, closed=False)
    loop = builder.loop(begin=3.0, subject=1, kind=Kind.TASK, running_since=1.0, turns=[0.01])
    builder.look(3.0, 8.0, 3.0, OFF, [(APP, 7, "handle")], thread=loop)
    recording = read(builder)
    assert recording.loops[0].lag.max == pytest.approx(6.0)
    assert not recording.ended
    assert recording.run_s == pytest.approx(9.0)


def test_a_killed_programs_last_sign_of_life_is_the_end() -> None:
    builder = Builder().end(1.0, closed=False)
    builder.event(Kind.TASK, 3.5, 0.25)
    assert read(builder).run_s == pytest.approx(3.75)
    builder.look(3.75, 6.0, 4.0, OFF)
    assert read(builder).run_s == pytest.approx(6.0)


def test_events_are_made_from_packed_entries() -> None:
    builder = Builder()
    builder.event(Kind.WAIT, 0.5, 0.25, extra=3)
    builder.event(Kind.TIMER, 0.75, 0.125, delay=0.0625, subject=site_subject(1), waker=4, thread=2)
    recording = read(builder)
    wait, timer = recording.events
    assert (wait.kind, wait.extra) == (Kind.WAIT, 3)
    assert timer.begin == pytest.approx(0.75)
    assert timer.duration == pytest.approx(0.125)
    assert timer.delay == pytest.approx(0.0625)
    assert (timer.subject, timer.waker, timer.thread) == (site_subject(1), 4, 2)
    assert list(recording.events.steps()) == [timer]
    assert recording.events.waker_of(2, timer.begin_ticks) == 4
    assert recording.events.waker_of(1, timer.begin_ticks) == 0
    assert recording.events.waker_of(2, timer.begin_ticks + 1) == 0


def test_a_step_longer_than_32_bits_of_ticks_keeps_its_length() -> None:
    builder = Builder()
    builder.event(Kind.TASK, 1.0, 300.0)
    (step,) = read(builder).events.steps()
    assert step.duration == pytest.approx(300.0, rel=1e-5)


def test_a_task_that_lost_its_slot_is_known_by_its_birth() -> None:
    builder = Builder()
    site = builder.site("handle")
    parent = builder.task(builder.site("main"))
    builder.event(Kind.WAIT, 0.1)
    builder.event(Kind.BORN, 0.5, subject=77, waker=parent, extra=site)
    recording = read(builder)
    assert recording.describe(77) == "an ended task (handle)"
    assert recording.maker_of(77) == parent
    assert recording.describe(78) == "an ended task"
    assert recording.maker_of(78) == 0


def test_subjects_in_words() -> None:
    builder = Builder()
    main = builder.task(builder.site("main"), name="bakery")
    feed = builder.site("Feed.on_readable")
    recording = read(builder)
    assert recording.describe(main) == "bakery (main)"
    assert recording.describe(site_subject(feed)) == "Feed.on_readable()"
    assert recording.describe(site_subject(99)) is None
    assert recording.describe(0) is None


def test_the_history_in_seconds() -> None:
    builder = Builder()
    builder.second(3, 2.0, busy=0.25, gil_waited=0.5, lag_p99=0.125, lag_max=0.75, steps=7)
    builder.second(3, 4.5, lasted=2.5, pending=9, blocked=1)
    first, second = read(builder).history
    assert (first.loop, first.steps, first.pending, first.blocked) == (3, 7, 0, 0)
    assert first[1:7] == pytest.approx((2.0, 1.0, 0.25, 0.5, 0.125, 0.75))
    assert (second.pending, second.blocked, second.steps) == (9, 1, 0)
    assert second.lasted_s == pytest.approx(2.5)


def test_workers_and_what_they_run() -> None:
    builder = Builder()
    site = builder.site("double")
    builder.worker(1, "worker 1", site, call=3, since=2.5)
    builder.worker(1, "worker 2", site, call=1)
    builder.worker(0, "", 0)
    busy, idle = read(builder).workers
    assert (busy.pool, busy.name, busy.site, busy.calls) == (1, "worker 1", site, 3)
    assert busy.since_s == pytest.approx(2.5)
    assert idle.since_s is None


def test_a_loop_that_waits_for_the_gil() -> None:
    builder = Builder().end(9.0, closed=False)
    builder.loop(
        running_since=1.0, idle=4.0, gil_waited=0.5, gil_longest=0.25, waiting_since=6.0,
        returned=7.0,
    )  # fmt: skip
    builder.loop(running_since=1.0, idle=4.0, waiting_since=7.0, returned=6.0)
    waiting, idle = read(builder).loops
    assert waiting.idle_s == pytest.approx(5.0)
    assert waiting.gil_wait_s == pytest.approx(2.5)
    assert waiting.busy_s == pytest.approx(0.5)
    assert waiting.lag.max == pytest.approx(2.0)
    assert idle.idle_s == pytest.approx(6.0)
    assert idle.gil_wait_s == 0.0


def test_a_birth_that_is_the_last_event_lasted_no_time() -> None:
    builder = Builder(ended_ticks=0).end(0.001, closed=False)
    builder.event(Kind.TASK, 1.0, 0.5)
    builder.event(Kind.ENDED, 2.0, 30.0)
    assert read(builder).run_s == pytest.approx(2.0)
    builder.event(Kind.BORN, 3.0, subject=9)
    assert read(builder).run_s == pytest.approx(3.0)


def test_what_was_dropped_is_counted() -> None:
    counters: dict[str, Any] = {
        "text_dropped": 1,
        "sites_dropped": 2,
        "tasks_dropped": 3,
        "loops_dropped": 4,
        "loops_recycled": 5,
        "forks": 6,
        "watch_signal_lost": 40,
        "watch_unanswered": 8,
        "watch_error": 24,
    }
    builder = Builder(events=4, **counters)
    for number in range(9):
        builder.event(Kind.TASK, number)
    builder.loop(blocked=3)
    unseen = read(builder).unseen
    assert (unseen.texts, unseen.sites, unseen.tasks, unseen.loops) == (1, 2, 3, 4)
    assert (unseen.closed_loops, unseen.forks) == (5, 6)
    assert (unseen.signal_lost, unseen.unanswered, unseen.watch_error) == (40, 8, 24)
    assert (unseen.events, unseen.blocked) == (5, 3)
