"""Each rule from evidence to class."""

from __future__ import annotations

import pytest

from fournil.observe.classify import Limits, judge, label
from fournil.observe.model import Blocker, Frame, Look
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
    assert label([look(0, 50, HELD, ask=7)], {7: cpu_ns}, LIMITS) == [expected]


def test_the_programs_own_switch_interval_is_the_measure() -> None:
    looks = [look(0, 50, HELD, ask=7)]
    assert label(looks, {7: 100_000_000}, Limits(0.4, 100_000_000)) == [Blocker.PYTHON]
    assert label(looks, {7: 3_000_000}, Limits(0.4, 1_000_000)) == [Blocker.NATIVE_GIL]
    assert label(looks, {7: 15_000_000}, Limits(0.4, 0)) == [Blocker.NATIVE_GIL]


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
    answers = {1: 5_000_000, 2: 40_000_000}
    assert label(looks, answers, LIMITS)[0] is Blocker.NATIVE_GIL
    assert label(looks[:2], answers, LIMITS)[0] is Blocker.PYTHON
    assert label(looks[:1], answers, LIMITS)[0] is Blocker.PYTHON


def test_the_class_is_what_most_of_the_time_speaks_for_and_not_most_of_the_looks() -> None:
    looks = [look(0, 500, OFF, SLEEP)] + [
        look(at, at + 1, HELD, LOOP, ask=1) for at in range(500, 530)
    ]
    verdict = judge(looks, {1: 5_000_000}, LIMITS)
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
    looks = [look(0, 900, GIL_WAIT), look(900, 950, HELD, LOOP, ask=1)]
    verdict = judge(looks, {1: 5_000_000}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.PYTHON, LOOP)
    assert verdict.gil_wait == 900 * MS


def test_a_step_that_only_waited_for_the_gil_waited() -> None:
    verdict = judge([look(0, 900, GIL_WAIT, LOOP)], {}, LIMITS)
    assert verdict is not None
    assert (verdict.blocker, verdict.culprit) == (Blocker.WAITING, LOOP)
    assert verdict.gil_wait == 900 * MS


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
