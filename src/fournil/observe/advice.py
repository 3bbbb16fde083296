"""What would help against blocked steps, and what the run would have been with it: pure.

The estimates come from replays (`whatif`) of the steps that the recording still has, the
newest `MOST_STEPS` of them. Of the time before, only the blocked steps are known, and not
who made them ready; they are replayed as well, but as if each had waited for nothing but the
loop and its own task. An estimate that rests on such steps is marked as coarse.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fournil.observe.model import BlockedGroup, BlockedStep, Blocker, Recording
from fournil.observe.rules import ONLY_LAG, rule_for, sentence
from fournil.observe.scene import Source, look_at
from fournil.observe.steps import Columns, Step, is_task
from fournil.observe.whatif import Move, Outcome, Replay
from fournil.record.kinds import STEP_KINDS
from fournil.record.layout import EVENT
from fournil.record.units import COARSE_BIT, unpack_ticks

MOST_STEPS = 200_000
"""So many steps are replayed; with more, an estimate takes longer than two seconds."""

MOST_REPLAYED = 4 * MOST_STEPS
"""So many steps are replayed for single groups, all together, the greatest groups first."""

SMALL_SHARE = 0.01
"""A gain below this share of the run is none to speak of."""


class Advice(NamedTuple):
    """What would help against a group of blocked steps, and what it alone would gain."""

    to: str  # "thread", "process", or "await"
    text: str
    gain_s: float  # by how much the run would be shorter
    run_s: float
    busy_s: float  # of all loops
    lag_s: Mapping[str, float] | None  # p50, p99, max; None: too many groups to replay each


def advise(
    group: BlockedGroup, recording: Recording, source: Source = lambda frame: ""
) -> Advice | None:
    """Return what would help against a group of blocked steps; None if nothing was seen.

    Args:
        group: blocked steps with the same class and line.
        recording: the recording that they are of.
        source: returns the line of source of a frame, or nothing.
    """
    scene = look_at(group, recording, source)
    if scene is None:
        return None
    rule = rule_for(scene)
    model = _model_of(recording)
    gain = model.gain_of(group, _move(group, rule.to))
    text = sentence(rule, scene)
    if gain.gain_s < SMALL_SHARE * recording.run_s:
        text = f"{text} {ONLY_LAG}"
    return Advice(rule.to, text, *gain)


def estimate(
    advised: Sequence[tuple[BlockedGroup, Advice]], recording: Recording
) -> Outcome | None:
    """Return what the run would have been with all advice followed; None without any.

    Args:
        advised: groups of blocked steps, each with its advice.
        recording: the recording that they are of.
    """
    if not advised:
        return None
    return _model_of(recording).outcome([(group, _move(group, it.to)) for group, it in advised])


def _move(group: BlockedGroup, to: str) -> Move:
    return Move(to, uses_cpu=group.blocker is not Blocker.WAITING)


class Gain(NamedTuple):
    """The last fields of `Advice`."""

    gain_s: float
    run_s: float
    busy_s: float
    lag_s: Mapping[str, float] | None


class _Model:
    """Replays one recording. It keeps no reference to it, so that it can go when that goes."""

    def __init__(self, recording: Recording) -> None:
        steps, self._place = _newest_steps(recording)
        without_event = [step for step in recording.blocked if step.key not in self._place]
        for place, step in enumerate(without_event, len(steps.begin)):
            self._place[step.key] = place
        # A step that has not ended has no event yet; those of the others are lost.
        self._lost = {step.key for step in without_event if step.ended}
        steps = steps.plus([_step_of(step) for step in without_event])
        self._run_s = recording.run_s
        self._in_steps_s = sum(steps.duration)
        self._busy_s = sum(loop.busy_s for loop in recording.loops)
        self._size = len(steps.begin)
        self._replay = Replay(
            steps,
            cores=recording.meta.cores or 1,
            run_s=recording.run_s,
            ran_s={thread.index: thread.ran_s for thread in recording.loops},
            code_of={
                who: site.index
                for who in set(steps.subject)
                if is_task(who) and (site := recording.site_of(who))
            },
            was_cut=not recording.ended,
        )
        # What the replay makes of the recorded run: a gain is a difference to that.
        self._unmoved_s = self._replay.run_time({})
        self._budget = MOST_REPLAYED
        self._replayed_s = self._gained_s = 0.0

    def outcome(self, moves: Iterable[tuple[BlockedGroup, Move]]) -> Outcome:
        """Return what the run would have been with the steps of some groups moved."""
        moves_of = {key: move for group, move in moves for key in group.keys}
        moved = {self._place[key]: move for key, move in moves_of.items() if key in self._place}
        outcome = self._replay.outcome(moved)
        # A loop is also busy between its steps, and in steps older than those replayed.
        busy_s = max(0.0, self._busy_s - self._in_steps_s + outcome.busy_s)
        return outcome._replace(busy_s=busy_s, coarse=not self._lost.isdisjoint(moves_of))

    def gain_of(self, group: BlockedGroup, move: Move) -> Gain:
        """Return what the run would gain with one group moved."""
        if self._budget <= 0:
            # It gains the part of its time that the greater groups gained of theirs.
            gain = group.total_s * self._gained_s / self._replayed_s
            busy_s = max(0.0, self._busy_s - group.total_s)
            return Gain(gain, self._run_s - gain, busy_s, None)
        self._budget -= self._size
        outcome = self.outcome([(group, move)])
        gain = min(max(0.0, self._unmoved_s - outcome.run_s), group.total_s)
        self._gained_s += gain
        self._replayed_s += group.total_s
        return Gain(gain, self._run_s - gain, outcome.busy_s, outcome.lag._asdict())


_latest: tuple[weakref.ref[Recording], _Model] | None = None
"""The model of the recording that was last asked about, for as long as that is in use."""


def _model_of(recording: Recording) -> _Model:
    global _latest
    if _latest is None or _latest[0]() is not recording:
        _latest = weakref.ref(recording, _forget), _Model(recording)
    return _latest[1]


def _forget(gone: weakref.ref[Recording]) -> None:
    global _latest
    if _latest is not None and _latest[0] is gone:
        _latest = None


def _newest_steps(recording: Recording) -> tuple[Columns, dict[tuple[int, int], int]]:
    """Return the steps among the newest events, and the places of the blocked ones by key."""
    ring, clock = recording.event_ring, recording.clock
    newest = ring[max(0, len(ring) - MOST_STEPS * EVENT.size) :]
    rows = [row for row in EVENT.struct.iter_unpack(newest) if row[_KIND] in STEP_KINDS]
    if not rows:
        return Columns.of([]), {}
    fields = dict(zip(EVENT.names, zip(*rows, strict=True), strict=True))
    per_tick, start = clock.ns_per_tick / 1e9, clock.start_ticks
    steps = Columns(
        begin=[(tick - start) * per_tick for tick in fields["begin"]],
        duration=_unpack_all(fields["duration"], per_tick),
        delay=_unpack_all(fields["delay"], per_tick),
        subject=list(fields["subject"]),
        waker=list(fields["waker"]),
        kind=list(fields["kind"]),
        thread=list(fields["thread"]),
    )
    blocked = {step.key for step in recording.blocked}
    keys = zip(fields["thread"], fields["begin"], strict=True)
    return steps, {key: place for place, key in enumerate(keys) if key in blocked}


_KIND = EVENT.names.index("kind")


def _unpack_all(packed: Sequence[int], per_tick: float) -> list[float]:
    return [(ticks if ticks < COARSE_BIT else unpack_ticks(ticks)) * per_tick for ticks in packed]


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
