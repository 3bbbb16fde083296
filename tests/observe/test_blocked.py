"""Blocked steps: joined with what the watch saw, and grouped."""

from __future__ import annotations

import pytest

from fournil.evidence.classify import Blocker
from fournil.evidence.stacks import Frame
from fournil.observe.recording.blocked import group
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedGroup, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.record import kinds
from fournil.record.kinds import Kind
from tests.observe.builder import (
    APP,
    HELD,
    OFF,
    ON_CPU,
    PACKAGES,
    STDLIB,
    Builder,
    site_subject,
    tick,
)

FETCH = [(f"{STDLIB}/socket.py", 706, "readinto"), (APP, 42, "fetch"), (APP, 50, "handle")]


def read(builder: Builder) -> Recording:
    return snapshot(read_buffer(builder.build()))


def groups(builder: Builder) -> list[BlockedGroup]:
    return group(read(builder).blocked)


def test_looks_join_their_step_by_thread_and_begin() -> None:
    builder = Builder()
    site = builder.site("handle")
    task = builder.task(site)
    first, second = builder.loop(blocked=1), builder.loop(blocked=1)
    builder.look(1.0, 1.5, 1.0, OFF, FETCH, thread=first)
    builder.look(1.0, 1.5, 1.0, ON_CPU, [(APP, 60, "mean")], thread=second)
    builder.look(3.0, 3.5, 3.0, ON_CPU, [(APP, 61, "mean")], thread=first)
    builder.blocked(1.0, 2.0, task, thread=first, delay=250_000_000)
    builder.blocked(1.0, 2.0, task, thread=second)
    one, other = sorted(read(builder).blocked, key=lambda step: step.thread)
    assert (one.blocker, one.culprit) == (Blocker.WAITING, Frame(APP, 42, "fetch"))
    assert one.frames == tuple(Frame(*frame) for frame in FETCH)
    assert one.duration_s == pytest.approx(1.0)
    assert one.delay_s == pytest.approx(0.1)
    assert (one.subject, one.kind, one.ended) == (task, Kind.TASK, True)
    assert (other.blocker, other.culprit) == (Blocker.NATIVE, Frame(APP, 60, "mean"))


def test_looks_and_answers_may_come_after_the_step_and_out_of_order() -> None:
    builder = Builder()
    loop = builder.loop(blocked=1)
    builder.blocked(1.0, 2.0, 1, thread=loop)
    builder.answer(3, 0.4, thread=loop, evidence=kinds.SAW_OVER)
    builder.look(1.0, 2.0, 1.5, HELD, [(APP, 8, "sort")], ask=3, thread=loop)
    builder.look(1.0, 1.5, 1.0, HELD, [(APP, 8, "sort")], ask=3, thread=loop)
    (step,) = read(builder).blocked
    assert step.blocker is Blocker.NATIVE_GIL


def test_a_request_that_outlives_its_step_says_nothing_of_what_came_later() -> None:
    # A Python step ends before it sees the request, and the next one is in C.
    builder = Builder()
    loop = builder.loop(blocked=2)
    builder.look(1.0, 1.06, 1.0, HELD, [(APP, 8, "count")], ask=3, thread=loop)
    builder.blocked(1.0, 1.062, 1, thread=loop)
    builder.look(1.1, 1.16, 1.1, HELD, [(APP, 9, "sort")], ask=4, thread=loop)
    builder.blocked(1.1, 1.2, 1, thread=loop)
    over = {"thread": loop, "evidence": kinds.SAW_OVER}
    builder.answer(3, 0.1, since=tick(1.06), **over)
    builder.answer(4, 0.04, since=tick(1.16), **over)
    python, native = read(builder).blocked
    assert (python.blocker, native.blocker) == (Blocker.PYTHON, Blocker.NATIVE_GIL)


def test_an_answer_of_another_thread_does_not_count() -> None:
    builder = Builder()
    one, other = builder.loop(blocked=1), builder.loop()
    builder.look(1.0, 1.5, 1.0, HELD, [(APP, 8, "loop")], ask=3, thread=one)
    builder.answer(3, 0.005, thread=one)
    builder.answer(3, 0.4, thread=other)
    builder.blocked(1.0, 2.0, 1, thread=one)
    (step,) = read(builder).blocked
    assert step.blocker is Blocker.PYTHON


def test_a_step_that_the_watch_did_not_see_stands_at_its_own_function() -> None:
    builder = Builder()
    site = builder.site("handle", APP, 40)
    task = builder.task(site)
    loop = builder.loop(blocked=2)
    builder.blocked(1.0, 1.06, task, thread=loop)
    builder.blocked(2.0, 2.06, site_subject(99), thread=loop, step_kind=Kind.TIMER)
    known, unknown = read(builder).blocked
    assert (known.blocker, known.culprit, known.frames) == (None, Frame(APP, 40, "handle"), ())
    assert unknown.culprit == Frame("?", 0, "?")


def test_a_look_without_a_stack_still_gives_the_class() -> None:
    builder = Builder()
    task = builder.task(builder.site("handle", APP, 40))
    loop = builder.loop(blocked=1)
    builder.look(1.0, 1.5, 1.0, OFF, thread=loop)
    builder.blocked(1.0, 2.0, task, thread=loop)
    (step,) = read(builder).blocked
    assert (step.blocker, step.culprit) == (Blocker.WAITING, Frame(APP, 40, "handle"))


@pytest.mark.parametrize("closed", [False, True])
def test_a_step_that_never_ended_counts_up_to_its_last_look(closed: bool) -> None:
    builder = Builder().end(9.0, closed=closed)
    task = builder.task(builder.site("handle"))
    loop = builder.loop(begin=3.0, subject=task, kind=Kind.TASK, running_since=1.0)
    builder.look(3.0, 4.0, 3.0, OFF, FETCH, thread=loop)
    builder.look(3.0, 8.5, 4.0, OFF, FETCH, thread=loop)
    (step,) = read(builder).blocked
    assert not step.ended
    assert step.duration_s == pytest.approx(5.5)
    assert (step.blocker, step.culprit) == (Blocker.WAITING, Frame(APP, 42, "fetch"))


def test_a_step_that_runs_and_was_not_looked_at_is_not_blocked() -> None:
    builder = Builder().end(9.0, closed=False)
    builder.loop(begin=3.0, subject=1, kind=Kind.TASK, running_since=1.0)
    assert read(builder).blocked == ()


def test_a_step_that_ended_while_it_was_read_counts_once() -> None:
    builder = Builder().end(9.0, closed=False)
    loop = builder.loop(begin=3.0, subject=1, kind=Kind.TASK, running_since=1.0, blocked=1)
    builder.look(3.0, 4.0, 3.0, OFF, FETCH, thread=loop)
    builder.blocked(3.0, 4.5, 1, thread=loop)
    (step,) = read(builder).blocked
    assert step.ended


def test_groups_are_by_class_and_line_the_greatest_total_first() -> None:
    builder = Builder()
    loop = builder.loop(blocked=4)
    for begin, length, evidence, line in (
        (1.0, 0.5, OFF, 42),
        (2.0, 0.8, ON_CPU, 42),
        (3.0, 0.7, OFF, 42),
        (4.0, 0.1, OFF, 60),
    ):
        frames = [(APP, line, "fetch")]
        builder.look(begin, begin + length, begin, evidence, frames, thread=loop)
        builder.blocked(begin, begin + length, 1, thread=loop)
    found = groups(builder)
    assert [(of.blocker, of.culprit.line, of.count) for of in found] == [
        (Blocker.WAITING, 42, 2),
        (Blocker.NATIVE, 42, 1),
        (Blocker.WAITING, 60, 1),
    ]
    assert found[0].total_s == pytest.approx(1.2)
    assert found[0].longest_s == pytest.approx(0.7)
    assert [thread for thread, _ in found[0].keys] == [loop] * 2


def loop_body(builder: Builder, begin: float, *times: tuple[int, float]) -> None:
    """Add a step that was seen on lines of one function for a time each."""
    since = begin
    for line, time in times:
        frames = [(APP, line, "price")]
        builder.look(begin, since + time, since, HELD, frames)
        since += time
    builder.blocked(begin, since, 1)


def test_steps_seen_on_a_common_line_of_a_function_are_one_group() -> None:
    builder = Builder()
    builder.loop(blocked=4)
    loop_body(builder, 1.0, (61, 0.1))
    loop_body(builder, 2.0, (62, 0.3))
    loop_body(builder, 3.0, (61, 0.05), (62, 0.04))
    loop_body(builder, 4.0, (63, 0.2))
    found = groups(builder)
    assert [(of.culprit.line, of.count) for of in found] == [(62, 3), (63, 1)]
    assert [step.begin_s for step in found[0].steps] == pytest.approx([1.0, 2.0, 3.0])


def mixed(builder: Builder, begin: float) -> None:
    """Add a step that waits for 0.3 s, then sorts for 0.6 s, then waits elsewhere for 0.1 s."""
    for since, at, evidence, line, ask in (
        (0.0, 0.3, OFF, 61, 0),
        (0.3, 0.5, HELD, 62, int(begin)),
        (0.5, 0.9, HELD, 62, int(begin)),
        (0.9, 1.0, OFF, 63, 0),
    ):
        frames = [(APP, line, "handle")]
        builder.look(begin, begin + at, begin + since, evidence, frames, ask=ask)
    builder.answer(int(begin), 0.4)
    builder.blocked(begin, begin + 1.0, 1)


def test_each_line_of_a_step_that_took_long_has_its_class_and_its_time() -> None:
    builder = Builder()
    builder.loop(blocked=2)
    mixed(builder, 1.0)
    mixed(builder, 3.0)
    found = groups(builder)
    assert [(of.blocker, of.culprit.line, of.count) for of in found] == [
        (Blocker.NATIVE_GIL, 62, 2),
        (Blocker.WAITING, 61, 2),
        (Blocker.WAITING, 63, 2),
    ]
    assert [of.total_s for of in found] == pytest.approx([1.2, 0.6, 0.2], rel=0.01)
    assert [of.longest_s for of in found] == pytest.approx([0.6, 0.3, 0.1], rel=0.01)
    assert [of.whole_s for of in found] == pytest.approx([2.0] * 3)
    assert sum(of.total_s for of in found) == pytest.approx(2.0)
    assert found[0].keys == found[1].keys
    assert [step.share for step in found[1].steps] == pytest.approx([0.3, 0.3], rel=0.01)


def test_what_took_little_of_a_step_has_no_line_of_its_own() -> None:
    builder = Builder()
    builder.loop(blocked=1)
    builder.look(1.0, 1.96, 1.0, OFF, [(APP, 61, "handle")])
    builder.look(1.0, 2.0, 1.96, ON_CPU, [(APP, 70, "other")])
    builder.blocked(1.0, 2.0, 1)
    (one,) = groups(builder)
    assert one.culprit.line == 61
    assert one.total_s == pytest.approx(1.0)


def test_lines_that_take_turns_are_one_part() -> None:
    builder = Builder()
    builder.loop(blocked=1)
    for number in range(6):
        since = 1.0 + number / 10
        line = 61 + number % 2
        builder.look(1.0, since + 0.1, since, OFF, [(APP, line, "poll")])
    builder.blocked(1.0, 1.6, 1)
    (one,) = groups(builder)
    assert one.count == 1
    assert one.total_s == pytest.approx(0.6)


def test_a_line_of_two_classes_is_one_part() -> None:
    builder = Builder()
    builder.loop(blocked=1)
    builder.look(1.0, 1.4, 1.0, OFF, [(APP, 61, "handle")])
    builder.look(1.0, 1.6, 1.4, ON_CPU, [(APP, 61, "handle")])
    builder.blocked(1.0, 1.6, 1)
    (one,) = groups(builder)
    assert one.blocker is Blocker.WAITING
    assert one.total_s == pytest.approx(0.6)


def test_plain_and_qualified_names_of_a_function_are_one() -> None:
    builder = Builder()
    builder.loop(blocked=2)
    builder.look(1.0, 1.3, 1.0, HELD, [(APP, 61, "price")])
    builder.look(1.0, 1.5, 1.3, HELD, [(APP, 61, "Shop.price")])
    builder.look(1.0, 1.8, 1.5, HELD, [(APP, 62, "price")])
    builder.blocked(1.0, 1.8, 1)
    builder.look(2.0, 2.8, 2.0, HELD, [(APP, 62, "Shop.price")])
    builder.look(2.0, 2.9, 2.8, HELD, [(APP, 61, "price")])
    builder.blocked(2.0, 2.9, 1)
    (one,) = groups(builder)
    assert one.culprit == Frame(APP, 62, "Shop.price")
    assert one.steps[0].culprit == Frame(APP, 61, "Shop.price")


def test_a_common_line_of_another_function_joins_nothing() -> None:
    builder = Builder()
    builder.loop(blocked=2)
    helper, one, two = [(APP, 5, "helper")], [(APP, 10, "one")], [(APP, 20, "two")]
    for begin, own in ((1.0, one), (2.0, two)):
        builder.look(begin, begin + 0.5, begin, OFF, own)
        builder.look(begin, begin + 0.6, begin + 0.5, OFF, helper)
        builder.blocked(begin, begin + 0.6, 1)
    assert sorted(of.culprit.line for of in groups(builder)) == [5, 10, 20]


# A program without a loop.


def script(*looks: tuple[float, float, int, str, int, int]) -> Recording:
    builder = Builder()
    thread = builder.loop(state=kinds.THREAD_SCRIPT, number=0)
    for since, at, evidence, file, line, ask in looks:
        builder.look(
            0.1, at, since, evidence, [(f"{STDLIB}/x.py", 1, "f"), (file, line, "<module>")],
            in_loop=False, ask=ask, thread=thread, step_kind=Kind.SCRIPT,
        )  # fmt: skip
        builder.answer(ask, 0.4 if ask == 2 else 0.005, thread=thread, step_kind=Kind.SCRIPT)
    return read(builder)


def test_a_scripts_slow_lines_have_a_class_each() -> None:
    recording = script(
        (1.0, 1.9, OFF, APP, 3, 0),
        (2.0, 2.5, HELD, APP, 5, 1),
        (2.5, 3.0, HELD, APP, 6, 2),
        (3.0, 3.2, ON_CPU, APP, 7, 0),
        (4.0, 4.01, OFF, APP, 9, 0),
        (5.0, 5.3, OFF, APP, 3, 0),
    )
    assert recording.blocked == ()
    assert recording.script is not None
    lines = recording.script.lines
    assert [(line.culprit.line, line.blocker) for line in lines] == [
        (3, Blocker.WAITING),
        (5, Blocker.PYTHON),
        (6, Blocker.NATIVE_GIL),
        (7, Blocker.NATIVE),
    ]
    assert [line.total_s for line in lines] == pytest.approx([1.2, 0.5, 0.5, 0.2])
    assert recording.script.watched_s == pytest.approx(2.41)


def test_a_script_shows_the_users_line_that_called_a_library() -> None:
    builder = Builder()
    builder.loop(state=kinds.THREAD_SCRIPT, number=0)
    frames = [(f"{PACKAGES}/requests/api.py", 73, "get"), (APP, 3, "<module>")]
    builder.look(0.1, 1.0, 0.1, OFF, frames, in_loop=False, step_kind=Kind.SCRIPT)
    recording = read(builder)
    assert recording.script is not None
    (line,) = recording.script.lines
    assert line.culprit == Frame(APP, 3, "<module>")
    assert line.frames == tuple(Frame(*frame) for frame in frames)


def test_a_program_with_a_loop_has_no_script_section() -> None:
    builder = Builder()
    builder.loop(state=kinds.THREAD_SCRIPT, number=0)
    builder.loop()
    frames = [(APP, 3, "<module>")]
    builder.look(0.1, 1.0, 0.1, OFF, frames, in_loop=False, step_kind=Kind.SCRIPT)
    builder.blocked(0.1, 1.0, 0, step_kind=Kind.SCRIPT)
    recording = read(builder)
    assert recording.script is None
    assert recording.blocked == ()


def test_looks_at_a_program_before_its_loop_ran_are_not_counted() -> None:
    builder = Builder()
    script_slot = builder.loop(state=kinds.THREAD_SCRIPT, number=0)
    loop = builder.loop(blocked=1)
    for at in (0.2, 0.3, 0.4):
        builder.look(
            0.1, at, at - 0.1, OFF, [(APP, 3, "<module>")],
            in_loop=False, thread=script_slot, step_kind=Kind.SCRIPT,
        )  # fmt: skip
    builder.look(1.0, 1.5, 1.0, OFF, FETCH, thread=loop)
    builder.look(1.0, 1.7, 1.5, OFF, FETCH, thread=loop)
    builder.blocked(1.0, 2.0, 1, thread=loop)
    recording = read(builder)
    assert recording.looks == 2
    assert recording.look_every_s == pytest.approx(0.2)
