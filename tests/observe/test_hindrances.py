"""What kept steps from running, or the watch from seeing them: judged and told."""

from __future__ import annotations

import pytest

from fournil.evidence.classify import Blocker
from fournil.observe.recording.hindrances import Holder, Lack, Unlooked
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedStep, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.observe.report import render
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from fournil.record import kinds
from tests.observe.builder import APP, GIL_WAIT, HELD, OFF, PROJECT, Builder, ticks
from tests.observe.samples import report_of

LOOP = [(APP, 8, "handle")]
SORT = [(APP, 20, "report")]
KEPT = HELD | kinds.SAW_KEPT


def read(builder: Builder) -> Recording:
    return snapshot(read_buffer(builder.build()))


def told(builder: Builder) -> str:
    lines = lines_of(report_of(builder), View(100, PROJECT, lambda frame: ""))
    return " ".join(render.plain(lines).split())


def a_step(builder: Builder) -> BlockedStep:
    (step,) = read(builder).blocked
    return step


def with_loop(*, watch_error: int = 0) -> Builder:
    builder = Builder(watch_error=watch_error)
    builder.loop(blocked=1, ran=9.0, idle=8.0, turns=[0.5])
    builder.task(builder.site("handle", APP, 5))
    return builder


# No CPU.


def test_a_step_that_would_not_have_blocked_with_a_cpu_was_starved() -> None:
    builder = with_loop()
    builder.look(1.0, 1.2, 1.19, HELD, LOOP, delay=ticks(0.19))
    builder.blocked(1.0, 1.2, 1, number=10_000_000)
    step = a_step(builder)
    assert (step.blocker, step.culprit.line, step.parts) == (Blocker.STARVED, 8, ())
    assert step.lack == pytest.approx(Lack(0.19))
    assert "Nothing of the program's blocked the loop: 1 step got no CPU for 190 ms" in told(
        builder
    )
    assert "it wanted a CPU and had none: the machine was busy" in told(builder)


def test_a_step_that_would_have_blocked_all_the_same_lacked_a_cpu_in_part() -> None:
    builder = with_loop()
    builder.look(1.0, 1.2, 1.1, HELD, LOOP, delay=ticks(0.1))
    builder.blocked(1.0, 1.2, 1, number=100_000_000)
    step = a_step(builder)
    assert step.blocker is Blocker.PYTHON
    assert step.cpu_share == pytest.approx(0.5)
    assert "1 step blocked the loop for 200 ms" in told(builder)
    assert "for 100 ms of 200 ms it wanted a CPU and had none" in told(builder)


def test_what_a_step_waited_for_is_no_lack_of_a_cpu() -> None:
    builder = with_loop()
    builder.look(1.0, 1.19, 1.0, OFF, LOOP)
    builder.blocked(1.0, 1.2, 1, number=1_000_000)
    step = a_step(builder)
    assert (step.blocker, step.lack) == (Blocker.WAITING, Lack())


def test_a_quota_is_told_from_a_busy_machine() -> None:
    builder = with_loop()
    builder.look(1.0, 1.2, 1.19, HELD, LOOP, delay=ticks(0.19))
    builder.blocked(1.0, 1.2, 1, number=10_000_000)
    builder.late(1.21, 1.21, throttled=0.18)
    assert a_step(builder).lack == pytest.approx(Lack(0.19, 0.18))
    assert "its quota was used up" in told(builder)


def test_a_process_that_was_stopped_did_not_block() -> None:
    builder = with_loop()
    builder.blocked(1.0, 4.0, 1, number=5_000_000)
    builder.late(1.02, 3.99)
    step = a_step(builder)
    assert step.blocker is Blocker.STARVED
    assert step.lack == pytest.approx(Lack(stopped_s=2.97), abs=0.03)
    assert "the process was stopped" in told(builder)


def test_a_step_at_which_the_watch_could_not_look_either_had_no_cpu() -> None:
    builder = with_loop()
    builder.blocked(1.0, 1.3, 1, number=20_000_000)
    builder.late(1.025, 1.3, wanted=0.27)
    assert a_step(builder).blocker is Blocker.STARVED


def test_what_was_late_at_other_times_says_nothing() -> None:
    builder = with_loop()
    builder.late(0.1, 0.9, wanted=0.8)
    builder.blocked(1.0, 1.06, 1, number=20_000_000)
    builder.late(3.0, 4.0, wanted=0.9)
    step = a_step(builder)
    assert (step.blocker, step.unlooked) == (None, Unlooked.SHORT)


# What was not seen.


def test_why_nothing_was_seen_is_told() -> None:
    builder = with_loop()
    builder.blocked(1.0, 1.06, 1)
    assert "unknown" in told(builder)
    assert "not seen it ended before the watch could look" in told(builder)


def test_a_watch_that_could_not_look_at_all_says_so() -> None:
    builder = with_loop(watch_error=2)
    builder.blocked(1.0, 2.0, 1)
    assert a_step(builder).unlooked is Unlooked.BLIND


def test_a_step_whose_task_is_forgotten_stands_at_its_code() -> None:
    builder = with_loop()
    site = builder.site("serve", APP, 50)
    builder.blocked(1.0, 1.2, 999, extra=site)
    assert a_step(builder).culprit == (APP, 50, "serve")


# The GIL of others.


def test_who_kept_the_gil_between_steps_is_told_with_its_line() -> None:
    builder = with_loop()
    builder.holder(1.0, 1.05, 1.0, KEPT, SORT, subject=77)
    builder.holder(1.0, 1.35, 1.05, KEPT, SORT, subject=77)
    builder.gil_wait(1.0, 1.4)
    builder.thread_name(77, "reporter")
    (wait,) = read(builder).gil_waits
    assert (wait.blocker, wait.ended) == (Blocker.NATIVE_GIL, True)
    assert wait.duration_s == pytest.approx(0.4)
    assert wait.holder == Holder("reporter", wait.culprit)
    text = told(builder)
    assert "other threads kept the GIL: it waited 1 time, for 400 ms" in text
    assert "native-gil app.py:20 report" in text
    assert "kept by thread 'reporter'" in text


def test_threads_that_take_turns_run_python_code() -> None:
    builder = with_loop()
    builder.holder(1.0, 1.05, 1.0, HELD, SORT, subject=77)
    builder.holder(1.0, 1.1, 1.05, HELD, LOOP, subject=78)
    builder.gil_wait(1.0, 1.1)
    (wait,) = read(builder).gil_waits
    assert wait.blocker is Blocker.PYTHON


def test_a_holder_that_had_no_cpu_is_not_to_blame() -> None:
    builder = with_loop()
    builder.holder(1.0, 1.2, 1.0, KEPT, SORT, subject=77, delay=ticks(0.19))
    builder.gil_wait(1.0, 1.2)
    (wait,) = read(builder).gil_waits
    assert wait.blocker is Blocker.STARVED


def test_a_program_that_was_killed_while_it_waited_for_the_gil() -> None:
    builder = with_loop().end(2.0, closed=False)
    builder.holder(1.0, 1.8, 1.0, KEPT, SORT, subject=77)
    (wait,) = read(builder).gil_waits
    assert not wait.ended
    assert wait.duration_s == pytest.approx(0.8)


def test_who_kept_the_gil_inside_a_step_is_told() -> None:
    builder = with_loop()
    builder.look(1.0, 1.9, 1.0, GIL_WAIT, LOOP)
    builder.holder(1.0, 1.9, 1.0, KEPT, SORT, subject=77)
    builder.thread_name(77, "reporter")
    builder.blocked(1.0, 2.0, 1)
    step = a_step(builder)
    assert step.blocker is Blocker.WAITING
    assert read(builder).gil_waits == ()
    assert "thread 'reporter' held it, at app.py:20, report" in told(builder)


# The collector of garbage.


def test_the_collector_is_one_entry_wherever_it_was_set_off() -> None:
    builder = Builder()
    loop = builder.loop(blocked=2, ran=9.0)
    task = builder.task(builder.site("handle", APP, 5))
    for begin, line in ((1.0, 8), (2.0, 9)):
        frames = [(APP, line, "handle")]
        builder.look(
            begin, begin + 0.2, begin, HELD, frames, thread=loop, generation=3, number=1_400_000
        )
        builder.blocked(begin, begin + 0.2, task, thread=loop)
    steps = read(builder).blocked
    assert [step.blocker for step in steps] == [Blocker.GC] * 2
    text = told(builder)
    assert "gc the collector of garbage 2 400 ms 200 ms" in text
    assert "set off at app.py:8 handle app.py:9 handle" in text
    assert "generation 2, 1,400,000 objects to look through" in text


# A loop that is full.


def test_a_loop_that_is_full_without_a_long_step_says_so() -> None:
    builder = Builder()
    builder.loop(steps=300, ran=3.0, busy=3.0, turns=[1.5, 1.5])
    assert "The loop was full: no step blocked it, but what was ready waited" in told(builder)


def test_a_busy_loop_that_is_not_late_is_not_full() -> None:
    builder = Builder()
    builder.loop(steps=300, ran=3.0, busy=3.0, turns=[0.01] * 300)
    assert "Nothing blocked the loop" in told(builder)
