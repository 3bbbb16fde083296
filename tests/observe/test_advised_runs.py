"""What advice is expected to gain, of one line and of all together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fournil.observe.advice import advisor as advice_module, recorded
from fournil.observe.advice.advisor import ONLY_LAG, Advice, Advisor
from fournil.observe.recording.blocked import group as group_blocked
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.model import BlockedGroup, Recording
from fournil.observe.recording.reading import read_buffer
from fournil.record.kinds import Kind
from tests.observe.builder import (
    APP,
    OFF,
    Builder,
    site_subject,
)
from tests.observe.samples import empty, texts


def three_blocks(*, events: int = 256, chatter: int = 0) -> Builder:
    """Three tasks that block for 0.3 s each, beside each other, in a run of two seconds."""
    builder = Builder(events=events, samples=512)
    builder.end(2.0)
    builder.loop(ran=1.0, idle=0.05, turns=[0.9])
    main, child = builder.site("main"), builder.site("handle")
    tasks = [builder.task(main)] + [builder.task(child) for _ in range(3)]
    builder.event(Kind.TASK, 1.0, 0.001, subject=tasks[0])
    for number, task in enumerate(tasks[1:]):
        begin = 1.001 + 0.3 * number
        fields = {"subject": task, "waker": tasks[0], "delay": 0.3 * number + 0.0005}
        builder.event(Kind.TASK, begin, 0.3, **fields)
        builder.blocked(begin, begin + 0.3, task, delay=round((0.3 * number + 0.0005) * 2.5e9))
        builder.look(begin, begin + 0.28, begin, OFF, [(APP, 2, "handle")])
    fields = {"subject": tasks[0], "waker": tasks[-1], "delay": 0.0001}
    builder.event(Kind.TASK, 1.9011, 0.001, **fields)
    for number in range(chatter):
        builder.event(Kind.CALLBACK, 1.9022 + number * 1e-4, 1e-5, subject=site_subject(main))
    return builder


def four_lines() -> Builder:
    """The same, and three more lines that block for 0.1 s each."""
    builder = three_blocks()
    for number in range(3):
        begin = 3.0 + number
        builder.blocked(begin, begin + 0.1, 2)
        builder.look(begin, begin + 0.09, begin, OFF, [(APP, 20 + number, "other")])
    return builder.end(8.0)


SLEEPS = texts({APP: "async def handle():\n    time.sleep(0.3)"})


def advice_on(recording: Recording) -> list[tuple[BlockedGroup, Advice]]:
    groups, advisor = group_blocked(recording.blocked), Advisor(recording, SLEEPS)
    pairs = [(group, advisor.advise(group)) for group in groups]
    return [(group, found) for group, found in pairs if found]


class TestEstimates:
    def test_three_blocks(self) -> None:
        recording = snapshot(read_buffer(three_blocks().build()))
        (group, found), *rest = advice_on(recording)
        assert not rest
        assert group.count == 3
        assert found.to == "await"
        assert found.gain_s == pytest.approx(0.6, rel=0.02)
        assert found.run_s == pytest.approx(1.4, rel=0.02)
        assert found.busy_s == pytest.approx(0.05, abs=0.01)
        assert found.lag_s
        assert found.lag_s["max"] < 0.01
        outcome = Advisor(recording).estimate([(group, found)])
        assert outcome
        assert outcome.run_s == pytest.approx(1.4, rel=0.02)
        assert outcome.coarse is False

    def test_a_gain_of_its_own_that_is_small_is_said(self) -> None:
        builder = Builder()
        builder.end(2.0)
        builder.loop(ran=1.0)
        task = builder.task(builder.site("handle"))
        builder.event(Kind.TASK, 1.0, 0.3, subject=task)
        builder.blocked(1.0, 1.3, task)
        builder.look(1.0, 1.28, 1.0, OFF, [(APP, 2, "handle")])
        ((_, found),) = advice_on(snapshot(read_buffer(builder.build())))
        assert found.gain_s == pytest.approx(0.0, abs=1e-3)
        assert found.text.endswith(ONLY_LAG)

    def test_a_move_takes_its_share_of_a_step_alone(self) -> None:
        builder = three_blocks()
        builder.look(1.001, 1.29, 1.281, OFF, [(APP, 2, "handle")])
        recording = snapshot(read_buffer(builder.build()))
        (whole,) = group_blocked(recording.blocked)
        half = replace(
            whole, steps=tuple(replace(step, part_s=step.duration_s / 2) for step in whole.steps)
        )
        advisor = Advisor(recording, SLEEPS)
        found, other = advisor.advise(half), advisor.advise(whole)
        assert found
        assert other
        assert found.gain_s == pytest.approx(0.3, abs=0.02)
        assert other.gain_s == pytest.approx(0.6, abs=0.02)
        both = advisor.estimate([(half, found), (half, found)])
        assert both
        assert both.run_s == pytest.approx(1.4, rel=0.02)

    def test_nothing_advised_nothing_estimated(self) -> None:
        assert Advisor(empty()).estimate([]) is None

    def test_events_that_were_overwritten_make_it_coarse(self) -> None:
        recording = snapshot(read_buffer(three_blocks(events=16, chatter=64).build()))
        assert recording.unseen.events
        advised = advice_on(recording)
        outcome = Advisor(recording).estimate(advised)
        assert outcome
        assert outcome.coarse is True
        assert outcome.run_s == pytest.approx(1.4, rel=0.05)

    def test_a_program_that_was_killed_while_it_was_blocked(self) -> None:
        builder = three_blocks()
        builder.end(4.0, closed=False)
        recording = snapshot(read_buffer(builder.build()))
        assert Advisor(recording).estimate(advice_on(recording))

    def test_more_groups_than_can_be_replayed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(advice_module, "MOST_REPLAYED", 1)
        recording = snapshot(read_buffer(four_lines().build()))
        first, *rest = [found for _, found in advice_on(recording)]
        assert first.lag_s is not None
        assert first.gain_s is not None
        assert len(rest) == 3
        for found in rest:
            assert found.lag_s is None
            assert found.gain_s == pytest.approx(0.1 * first.gain_s / 0.9, rel=0.01)

    def test_only_the_newest_steps_are_replayed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recorded, "MOST_STEPS", 40)
        recording = snapshot(read_buffer(three_blocks(chatter=60).build()))
        outcome = Advisor(recording).estimate(advice_on(recording))
        assert outcome
        assert outcome.coarse is True

    def test_a_recording_without_cores_or_events(self) -> None:
        builder = Builder(meta=None)
        builder.loop(ran=1.0)
        builder.blocked(1.0, 1.3, 1)
        builder.look(1.0, 1.28, 1.0, OFF, [(APP, 2, "handle")])
        recording = snapshot(read_buffer(builder.build()))
        assert Advisor(recording).estimate(advice_on(recording))

    def test_asked_again_in_another_order_it_says_the_same(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(advice_module, "MOST_REPLAYED", 9)
        recording = snapshot(read_buffer(four_lines().build()))
        groups = group_blocked(recording.blocked)
        forwards, backwards = Advisor(recording, SLEEPS), Advisor(recording, SLEEPS)
        said = [forwards.advise(group) for group in groups]
        again = [backwards.advise(group) for group in reversed(groups)]
        assert [found is not None and found.lag_s is not None for found in said] == (
            [True, True, False, False]
        )
        assert said == again[::-1] == [forwards.advise(group) for group in groups]
