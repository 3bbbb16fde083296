"""What would help against blocked steps, and what the run would have been with it: pure.

The estimates come from replays (`whatif`) of the steps that the recording still has, the
newest `MOST_STEPS` of them. Of the time before, only the blocked steps are known, and not
who made them ready; they are replayed as well, but as if each had waited for nothing but the
loop and its own task. An estimate that rests on such steps is marked as coarse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.stacks import Frame
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.program import Sources, Text
from fournil.observe.advice.scene import look_at
from fournil.observe.advice.sentence import say
from fournil.observe.recording import blocked
from fournil.observe.recording.decode import Key
from fournil.observe.recording.model import BlockedGroup, BlockedStep, Recording
from fournil.observe.replay.steps import Columns, Step, is_task
from fournil.observe.replay.whatif import Move, Outcome, Replay

MOST_STEPS = 200_000
"""So many steps are replayed; with more, an estimate takes longer than two seconds."""

MOST_REPLAYED = 4 * MOST_STEPS
"""So many steps are replayed for single groups, all together, the greatest groups first."""

SMALL_SHARE = 0.01
"""A gain below this share of the run is none to speak of."""

ONLY_LAG = "By itself this shortens the lag, not the run."

MOVES = frozenset({"thread", "process", "await"})
"""Where a step can go; else the code itself is to change, and what that gains is not known."""


class Advice(NamedTuple):
    """What would help against a group of blocked steps, and what it alone would gain."""

    to: str  # "thread", "process", "await", or "code": nowhere, the code is to change
    text: str
    rule: str
    file: str  # that the edits are of
    edits: tuple[Edit, ...]  # that do what the text says; none: they cannot be written
    gain_s: float | None  # by how much the run would be shorter; None, as what follows: not known
    run_s: float | None
    busy_s: float | None  # of all loops
    lag_s: Mapping[str, float] | None  # p50, p99, max; None: too many groups to replay each


class Advisor:
    """What would help in one recording. Asked twice, in any order, it says the same.

    Args:
        recording: the recording.
        text_of: returns the text of a source file, or nothing.
    """

    def __init__(self, recording: Recording, text_of: Text = lambda file: "") -> None:
        self._recording = recording
        self._sources = Sources(text_of)

    def advise(self, group: BlockedGroup) -> Advice | None:
        """Return what would help against a group of blocked steps; None if nothing was seen."""
        scene = look_at(group, self._recording, self._sources)
        if scene is None:
            return None
        said = say(scene)
        to, text = said.rule.to, said.text
        told = to, text, said.rule.name, said.file, said.edits
        if to not in MOVES:
            return Advice(*told, None, None, None, None)
        gain = self._gain(group, to)
        if gain.gain_s < SMALL_SHARE * self._recording.run_s:
            told = to, f"{text} {ONLY_LAG}", *told[2:]
        return Advice(*told, *gain)

    def estimate(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Outcome | None:
        """Return what the run would have been with all advice followed; None without any.

        Args:
            advised: groups of blocked steps, each with its advice.
        """
        moved = [(group, _move(group, it.to)) for group, it in advised if it.to in MOVES]
        return self._model.outcome(moved) if moved else None

    def _gain(self, group: BlockedGroup, to: str) -> Gain:
        """Return what the run would gain with one group moved."""
        if _name(group) not in self._not_replayed:
            return self._model.gain(group, _move(group, to))
        model, gain_s = self._model, group.total_s * self._gained_share
        busy_s = max(0.0, model.busy_s - group.total_s)
        return Gain(gain_s, model.run_s - gain_s, busy_s, None)

    @cached_property
    def _model(self) -> _Model:
        return _Model(self._recording)

    @cached_property
    def _groups(self) -> list[BlockedGroup]:
        """The groups that the watch saw, the greatest first."""
        return [group for group in blocked.group(self._recording.blocked) if group.blocker]

    @cached_property
    def _most(self) -> int:
        """How many groups are replayed each by itself."""
        return -(-MOST_REPLAYED // max(1, self._model.size))

    @cached_property
    def _not_replayed(self) -> frozenset[tuple[Blocker | None, Frame, frozenset[Key]]]:
        return frozenset(_name(group) for group in self._groups[self._most :])

    @cached_property
    def _gained_share(self) -> float:
        """Which part of their time the groups gain that are replayed; the others gain as much."""
        replayed = self._groups[: self._most]
        advised = ((group, self.advise(group)) for group in replayed)
        gained_s = sum(advice.gain_s or 0.0 for _, advice in advised if advice)
        return gained_s / max(sum(group.total_s for group in replayed), 1e-9)


def _name(group: BlockedGroup) -> tuple[Blocker | None, Frame, frozenset[Key]]:
    """Return what tells a group from others, which may have other parts of the same steps."""
    return group.blocker, group.culprit, group.keys


def _move(group: BlockedGroup, to: str) -> Move:
    return Move(to, uses_cpu=group.blocker is not Blocker.WAITING)


class Gain(NamedTuple):
    """The last fields of `Advice`."""

    gain_s: float
    run_s: float
    busy_s: float
    lag_s: Mapping[str, float] | None


class _Model:
    """Replays one recording."""

    def __init__(self, recording: Recording) -> None:
        steps, self._place = _newest_steps(recording)
        without_event = [step for step in recording.blocked if step.key not in self._place]
        for place, step in enumerate(without_event, len(steps.begin)):
            self._place[step.key] = place
        # A step that has not ended has no event yet; those of the others are lost.
        self._lost = {step.key for step in without_event if step.ended}
        steps = steps.plus([_step_of(step) for step in without_event])
        self.run_s = recording.run_s
        self.busy_s = sum(loop.busy_s for loop in recording.loops)
        self.size = len(steps.begin)
        self._in_steps_s = sum(steps.duration)
        self._replay = Replay(
            steps,
            cores=recording.meta.cores or 1,
            run_s=recording.run_s,
            ran_s={thread.index: thread.ran_s for thread in recording.loops},
            code_of={
                who: code.index
                for who in set(steps.subject)
                if is_task(who) and (code := recording.code_of(who))
            },
            was_cut=not recording.ended,
        )
        # What the replay makes of the recorded run: a gain is a difference to that.
        self._unmoved_s = self._replay.run_time({})

    def outcome(self, moves: Iterable[tuple[BlockedGroup, Move]]) -> Outcome:
        """Return what the run would have been with the steps of some groups moved."""
        moves_of: dict[Key, list[Move]] = {}
        for group, move in moves:
            for step in group.steps:
                moves_of.setdefault(step.key, []).append(move._replace(share=step.share))
        moved = {self._place[key]: found for key, found in moves_of.items() if key in self._place}
        outcome = self._replay.outcome(moved)
        # A loop is also busy between its steps, and in steps older than those replayed.
        busy_s = max(0.0, self.busy_s - self._in_steps_s + outcome.busy_s)
        return outcome._replace(busy_s=busy_s, coarse=not self._lost.isdisjoint(moves_of))

    def gain(self, group: BlockedGroup, move: Move) -> Gain:
        """Return what the run would gain with one group moved."""
        outcome = self.outcome([(group, move)])
        gain_s = min(max(0.0, self._unmoved_s - outcome.run_s), group.total_s)
        return Gain(gain_s, self.run_s - gain_s, outcome.busy_s, outcome.lag._asdict())


def _newest_steps(recording: Recording) -> tuple[Columns, dict[tuple[int, int], int]]:
    """Return the steps among the newest events, and the places of the blocked ones by key."""
    newest = recording.events.step_columns(MOST_STEPS)
    steps = Columns(
        begin=newest.begin,
        duration=newest.duration,
        delay=newest.delay,
        subject=newest.numbers("subject"),
        waker=newest.numbers("waker"),
        kind=newest.numbers("kind"),
        thread=newest.numbers("thread"),
    )
    wanted = {step.key for step in recording.blocked}
    keys = zip(steps.thread, newest.begin_ticks, strict=True)
    return steps, {key: place for place, key in enumerate(keys) if key in wanted}


def _step_of(step: BlockedStep) -> Step:
    return Step(
        begin=step.begin_s,
        duration=step.duration_s,
        delay=step.delay_s,
        subject=step.subject,
        waker=0,
        kind=step.kind,
        thread=step.thread,
    )
