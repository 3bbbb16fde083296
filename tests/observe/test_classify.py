"""Each rule from evidence to class."""

from __future__ import annotations

import pytest

from fournil.evidence.classify import Blocker, Limits, judge, label, label_holder, until
from fournil.evidence.looks import Answer, Collection, HolderLook, Look
from fournil.evidence.stacks import Frame
from fournil.record import kinds
from tests.observe.builder import GIL_WAIT, HELD, OFF, ON_CPU

MS = 2_500_000  # ticks
INTERVAL_NS = 5_000_000
LIMITS = Limits(0.4, INTERVAL_NS)
SLEEP, LOOP, SORT = (Frame("app.py", line, "handler") for line in (1, 2, 3))


def look(since: int, at: int, evidence: int, own: Frame | None = SLEEP, ask: int = 0) -> Look:
    """Return a look; times in milliseconds."""
    return Look(at * MS, since * MS, evidence, ask, (own,) if own else (), own)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (OFF, Blocker.WAITING),
        (ON_CPU, Blocker.NATIVE),
        (HELD, Blocker.PYTHON),
        (GIL_WAIT, None),
        (ON_CPU | GIL_WAIT, Blocker.NATIVE),
    ],
)
def test_what_one_look_speaks_for(evidence: int, expected: Blocker | None) -> None:
    assert label([look(0, 50, evidence)], {}, LIMITS) == [expected]


@pytest.mark.parametrize(
    ("cpu_ns", "expected"),
    [
        (0, Blocker.PYTHON),
        (INTERVAL_NS, Blocker.PYTHON),
        (3 * INTERVAL_NS - 1, Blocker.PYTHON),
        (3 * INTERVAL_NS, Blocker.NATIVE_GIL),
        (500_000_000, Blocker.NATIVE_GIL),
    ],
)
def test_how_long_the_gil_was_kept_tells_python_from_c(cpu_ns: int, expected: Blocker) -> None:
    assert label([look(0, 50, HELD, ask=7)], {7: Answer(cpu_ns)}, LIMITS) == [expected]


def test_the_programs_own_switch_interval_is_the_measure() -> None:
    looks = [look(0, 50, HELD, ask=7)]
    assert label(looks, {7: Answer(100_000_000)}, Limits(0.4, 100_000_000)) == [Blocker.PYTHON]
    assert label(looks, {7: Answer(3_000_000)}, Limits(0.4, 1_000_000)) == [Blocker.NATIVE_GIL]
    assert label(looks, {7: Answer(15_000_000)}, Limits(0.4, 0)) == [Blocker.NATIVE_GIL]


def test_a_request_without_an_answer_was_open_as_long_as_the_looks_that_name_it() -> None:
    looks = [look(0, 50, HELD, ask=7), look(50, 60, HELD, ask=7)]
    assert label(looks, {}, LIMITS) == [Blocker.PYTHON] * 2
    looks.append(look(60, 65, HELD, ask=7))
    assert label(looks, {}, LIMITS) == [Blocker.NATIVE_GIL] * 3


def test_a_look_without_a_request_follows_the_others_of_its_step() -> None:
    looks = [
        look(0, 50, HELD),
        look(50, 60, HELD, ask=1),
        look(60, 100, HELD, ask=2),
    ]
    answers = {1: Answer(5_000_000), 2: Answer(40_000_000)}
    assert label(looks, answers, LIMITS)[0] is Blocker.NATIVE_GIL
    assert label(looks[:2], answers, LIMITS)[0] is Blocker.PYTHON
    assert label(looks[:1], answers, LIMITS)[0] is Blocker.PYTHON


def test_the_class_is_what_most_of_the_time_speaks_for_and_not_most_of_the_looks() -> None:
    looks = [look(0, 500, OFF, SLEEP)] + [
        look(at, at + 1, HELD, LOOP, ask=1) for at in range(500, 530)
    ]
    verdict = judge(looks, {1: Answer(5_000_000)}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.WAITING, SLEEP)


def test_the_culprit_is_the_heaviest_line_of_the_class_that_won() -> None:
    looks = [
        look(0, 60, ON_CPU, SORT),
        look(60, 100, OFF, SLEEP),
        look(100, 140, OFF, LOOP),
        look(140, 145, OFF, LOOP),
    ]
    verdict = judge(looks, {}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.WAITING, LOOP)
    assert verdict.lines == {SLEEP: 40 * MS, LOOP: 45 * MS}


def test_waiting_for_the_gil_speaks_for_no_class_but_is_counted() -> None:
    looks = [look(0, 700, GIL_WAIT), look(700, 950, HELD, LOOP, ask=1)]
    verdict = judge(looks, {1: Answer(5_000_000)}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.PYTHON, LOOP)
    assert verdict.gil_wait == 700 * MS


def test_a_step_that_only_waited_for_the_gil_waited() -> None:
    verdict = judge([look(0, 900, GIL_WAIT, LOOP)], {}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.WAITING, LOOP)
    assert verdict.gil_wait == 900 * MS


def test_a_step_that_did_hardly_anything_but_wait_for_the_gil_waited() -> None:
    looks = [look(0, 900, GIL_WAIT, SLEEP), look(900, 950, HELD, LOOP, ask=1)]
    verdict = judge(looks, {1: Answer(5_000_000)}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.WAITING, SLEEP)


def test_what_waits_and_keeps_the_gil_does_not_just_wait() -> None:
    assert label([look(0, 50, kinds.SAW_GIL_HELD)], {}, LIMITS) == [Blocker.NATIVE_GIL]


FULL = Collection(2, 1_000_000)


def test_the_collector_of_garbage_is_a_class_of_its_own() -> None:
    looks = [look(0, 50, HELD, LOOP)._replace(collection=FULL), look(50, 90, HELD, LOOP, ask=1)]
    assert label(looks, {1: Answer(5_000_000)}, LIMITS) == [Blocker.GC, Blocker.PYTHON]


def test_what_a_destructor_does_is_not_the_collectors() -> None:
    own = Frame("app.py", 9, "Session.__del__")
    seen = look(0, 50, HELD, own)._replace(collection=FULL)
    assert label([seen], {}, LIMITS) == [Blocker.PYTHON]
    assert label([seen._replace(evidence=OFF)], {}, LIMITS) == [Blocker.WAITING]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (HELD, Blocker.PYTHON),
        (HELD | kinds.SAW_KEPT, Blocker.NATIVE_GIL),
        (kinds.SAW_GIL_HELD, Blocker.NATIVE_GIL),
    ],
)
def test_what_a_look_at_the_holder_of_the_gil_speaks_for(evidence: int, expected: Blocker) -> None:
    seen = HolderLook(50, 0, evidence, 1, (SORT,), SORT)
    assert label_holder(seen) is expected
    if evidence & ON_CPU:
        assert label_holder(seen._replace(collection=FULL)) is Blocker.GC


def test_the_stack_shown_is_the_heaviest_at_the_culprit() -> None:
    inner = Frame("socket.py", 706, "readinto")
    looks = [
        look(0, 60, OFF)._replace(frames=(inner, SLEEP)),
        look(60, 65, OFF),
    ]
    verdict = judge(looks, {}, LIMITS)
    assert verdict is not None
    assert verdict.frames == (inner, SLEEP)


def test_without_stacks_there_is_a_class_and_no_culprit() -> None:
    verdict = judge([look(0, 60, OFF, None)], {}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit, verdict.frames) == (Blocker.WAITING, None, ())


def test_without_looks_there_is_no_verdict() -> None:
    assert judge([], {}, LIMITS) is None


def test_a_look_that_ends_before_it_begins_weighs_nothing() -> None:
    verdict = judge([look(90, 60, ON_CPU, SORT), look(60, 61, OFF)], {}, LIMITS)
    assert verdict is not None
    assert verdict.blocker is Blocker.WAITING


# On a busy machine, the probe waits for a CPU as well, and asks late.

IN_C, IN_PYTHON = Answer(40 * 10**6), Answer(6 * 10**6)


@pytest.mark.parametrize(
    ("answer", "alone", "among_python", "among_c"),
    [
        # Clear: kept for long after it was told, or while the probe ran, or given up at once.
        (Answer(11_000_000, told_ns=5_000_000), "native-gil", "native-gil", "native-gil"),
        (Answer(80_000_000, 40_000_000, 70_000_000), "native-gil", "native-gil", "native-gil"),
        (Answer(16_000_000, waited_ns=1_000_000), "native-gil", "native-gil", "native-gil"),
        (Answer(6_000_000, told_ns=0), "python", "python", "python"),
        (Answer(14_000_000, waited_ns=8_000_000), "python", "python", "python"),
        # Kept to the end of the step: Python code would have given it up within it.
        (Answer(11_000_000, over=True), "native-gil", "native-gil", "native-gil"),
        # The step ended before Python code would have given it up.
        (Answer(0, over=True), "python", "python", "native-gil"),
        (Answer(9_000_000, over=True), "python", "python", "native-gil"),
        # The probe did not run for as long as the GIL was kept.
        (Answer(40_000_000, waited_ns=30_000_000), "native-gil", "python", "native-gil"),
        (Answer(40_000_000, waited_ns=60_000_000, over=True), "native-gil", "python", "native-gil"),
        # Given up when an interval had gone by, of which others had most.
        (Answer(1_000_000, took_ns=6_000_000), "python", "python", "python"),
        (
            Answer(1_000_000, waited_ns=4_000_000, took_ns=6_000_000),
            "python",
            "python",
            "native-gil",
        ),
        # Given up on its own account.
        (Answer(1_000_000), "python", "python", "native-gil"),
    ],
)
def test_what_an_answer_speaks_for(
    answer: Answer, alone: str, among_python: str, among_c: str
) -> None:
    doubtful = look(0, 50, HELD, ask=7)
    assert label([doubtful], {7: answer}, LIMITS) == [Blocker(alone)]
    looks = [doubtful, look(50, 60, HELD, ask=8)]
    assert label(looks, {7: answer, 8: IN_PYTHON}, LIMITS)[0] is Blocker(among_python)
    assert label(looks, {7: answer, 8: IN_C}, LIMITS)[0] is Blocker(among_c)


def test_what_a_thread_did_after_its_step_does_not_count() -> None:
    answer = Answer(100_000_000, told_ns=98_000_000, over=True, since=50 * MS)
    assert until(53 * MS, answer, LIMITS)[:2] == (3_000_000, 1_000_000)
    assert until(40 * MS, answer, LIMITS)[:2] == (0, 0)
    assert until(400 * MS, answer, LIMITS) == answer
    within = answer._replace(over=False)
    assert until(53 * MS, within, LIMITS) == within
