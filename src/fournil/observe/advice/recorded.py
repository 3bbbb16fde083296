"""A recorded run, replayed as it would be with the steps of some groups moved: pure.

Of the time before the newest steps, only the blocked ones are known, and not who made them ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import partial

from fournil.observe.recording.decode import Key
from fournil.observe.recording.lag import Lag
from fournil.observe.recording.model import BlockedGroup, BlockedStep, Recording
from fournil.observe.replay.steps import Columns, Come, Step, is_task
from fournil.observe.replay.whatif import Move, Outcome, Replay, Rivals
from fournil.record.kinds import SITE_BIT

MOST_STEPS = 200_000
"""So many steps are replayed; with more, an estimate takes longer than two seconds."""

MOST_UNSURE = 50_000
"""With more steps, a run is not replayed as well with what came from outside at other times."""

LEAST_LAG_S, SLICE_S = 1e-3, 4e-3
"""What a call has a loop wait at least, and one that computes: a slice of the scheduler's."""

AT_THE_END = 0.1
"""What happens in this share of a run, the last, may have ended it."""


class RecordedRun:
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
        self._steps = steps
        self._in_steps_s = sum(steps.duration)
        self._replay_when = partial(
            Replay,
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
        self._replay = self._replay_when()
        # Each with what it makes of the recorded run: a gain is a difference to that.
        self._replays: dict[Come, tuple[Replay, float]] = {}

    @property
    def after_s(self) -> float:
        """How long the program ran after its last loop had ended."""
        return self.run_s - self._replay.until

    def steps_of(self, sites: Set[int]) -> list[tuple[float, float]]:
        """Return when the steps of some pieces of code began, and how late, in order."""
        subjects = {SITE_BIT | site for site in sites}
        steps = zip(self._steps.begin, self._steps.delay, self._steps.subject, strict=True)
        return sorted((begin, late) for begin, late, subject in steps if subject in subjects)

    def is_at_the_end(self, begin: float) -> bool:
        """Whether what began then can have ended the run."""
        return max(self._steps.begin, default=0.0) - begin < AT_THE_END * self.run_s

    @property
    def is_told(self) -> bool:
        """Whether it is known when all came that came from outside, or takes too long to try."""
        return self._replay.is_told or self.size > MOST_UNSURE

    def _replay_of(self, come: Come) -> tuple[Replay, float]:
        """Return a replay for when what comes from outside does, and what it makes of the run."""
        if come not in self._replays:
            is_small = self.size <= MOST_UNSURE
            is_other = come and is_small and not self._replay.causes.is_sure
            replay = self._replay_when(come=come) if is_other else self._replay
            self._replays[come] = replay, replay.run_time({})
        return self._replays[come]

    def outcome(
        self, moves: Iterable[tuple[BlockedGroup, Move]], rivals: Rivals, come: Come
    ) -> Outcome:
        """Return what the run would have been with the steps of some groups moved."""
        moves_of: dict[Key, list[Move]] = {}
        for group, move in moves:
            for step in group.steps:
                moves_of.setdefault(step.key, []).append(move._replace(share=step.share))
        moved = {self._place[key]: found for key, found in moves_of.items() if key in self._place}
        replay, unmoved_s = self._replay_of(come)
        outcome = replay.outcome(moved, rivals, come)
        # What the replay makes of the recorded run is not quite that: gains are differences.
        run_s = max(0.0, outcome.run_s + self.run_s - unmoved_s)
        # A loop is also busy between its steps, and in steps older than those replayed.
        busy_s = max(0.0, self.busy_s - self._in_steps_s + outcome.busy_s)
        is_coarse = not self._lost.isdisjoint(moves_of)
        lag = _with_handover(outcome.lag, moves_of.values())
        return outcome._replace(run_s=run_s, busy_s=busy_s, lag=lag, coarse=is_coarse)


def _with_handover(lag: Lag, moves: Iterable[Sequence[Move]]) -> Lag:
    """Return a lag that is no shorter than what sending, or a thread beside the loop, brings."""
    each = [one for found in moves for one in found if one.to != "await"]
    least_s = max(
        (max(one.send_s, SLICE_S if one.uses_cpu else LEAST_LAG_S) for one in each), default=0.0
    )
    p99 = max(lag.p99, least_s)
    return Lag(lag.p50, p99, max(lag.max, p99))


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
