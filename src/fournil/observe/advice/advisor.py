"""What would help against blocked steps, and what the run would have been with it: pure.

The estimates come from replays (`whatif`) of the steps that the recording still has, the
newest `MOST_STEPS` of them. Of the time before, only the blocked steps are known, and not
who made them ready; they are replayed as well, but as if each had waited for nothing but the
loop and its own task. An estimate that rests on such steps is marked as coarse.

An estimate is made as things are expected, at best, and at worst: it is a range where these differ,
and tells what they assume. Where nothing is known to help, none is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cached_property
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.advice.callers import say_all
from fournil.observe.advice.costs import (
    Company,
    Costs,
    Imports,
    company_of,
    costs_of,
    is_too_costly,
)
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.machine import TYPICAL, Machine
from fournil.observe.advice.program import Sources, Text, ends_at_a_moment
from fournil.observe.advice.sentence import Said, too_large
from fournil.observe.recording import blocked
from fournil.observe.recording.decode import Key
from fournil.observe.recording.lag import Lag
from fournil.observe.recording.model import BlockedGroup, BlockedStep, Recording
from fournil.observe.replay.steps import Columns, Step, is_task
from fournil.observe.replay.whatif import Move, Outcome, Replay, Rivals
from fournil.record.kinds import SITE_BIT

MOST_STEPS = 200_000
"""So many steps are replayed; with more, an estimate takes longer than two seconds."""

MOST_REPLAYED = MOST_STEPS
"""So many steps are replayed for single groups, all together, the greatest groups first; each as it
is expected, at best, and at worst."""

SMALL_SHARE, LARGE_SHARE = 0.01, 0.1
"""A gain below the one share of the run is none to speak of, which surprises only where the steps
take the other one."""

ONLY_LAG = "By itself this shortens the lag, not the run."

NOISE, NOISE_S = 0.07, 0.02
"""Two runs of one program differ by so much: by a share, and besides."""

LEAST_LAG_S = 1e-3
"""What a thread or a process that computes beside a loop has it wait."""

START_LAG_SHARE = 0.3
"""A loop is busy for this share of the time that its pool's first processes take to start."""

AGAIN = 1.5
"""A process imports for up to so many times as long as the program took to start."""

MOVES = frozenset({"thread", "process", "await"})
"""Where a step can go; else the code itself is to change, and what that gains is not known."""


Name = tuple[Blocker | None, Frame, frozenset[Key]]
"""What tells a group from others, which may have other parts of the same steps."""


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
    range_s: tuple[float, float] | None = None  # in which the run's time lies
    assumes: tuple[str, ...] = ()  # what makes it longer, in words


class Advisor:
    """What would help in one recording. Asked twice, in any order, it says the same.

    Args:
        recording: the recording.
        text_of: returns the text of a source file, or nothing.
        measure: returns what it costs to send things; asked once, if at all.
    """

    def __init__(
        self,
        recording: Recording,
        text_of: Text = lambda file: "",
        measure: Callable[[], Machine] = lambda: TYPICAL,
    ) -> None:
        self._recording = recording
        self._sources = Sources(text_of)
        self._measure = measure
        self._sayings: dict[Name, Said | None] = {}

    def advise(self, group: BlockedGroup) -> Advice | None:
        """Return what would help against a group of blocked steps; None if nothing was seen."""
        said = self._said(group)
        if said is None:
            return None
        if self._is_too_costly(group, said):
            return _advice(said._replace(text=too_large(said), edits=()), UNKNOWN)
        if not _is_estimated(said):
            return _advice(said, UNKNOWN)
        gain = self._gain(group, said)
        if self._gains_less_than_it_looks(group, gain):
            said = said._replace(text=f"{said.text} {ONLY_LAG}")
        return _advice(said, gain)

    def estimate(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Outcome | None:
        """Return what the run would have been with all advice followed; None without any.

        Args:
            advised: groups of blocked steps, each with its advice.
        """
        moved = []
        for group, advice in advised:
            said = self._said(group)
            if said is not None and advice.run_s is not None:
                moved.append((group, self._costs(group, said)))
        return self._bounded(moved) if moved else None

    def _said(self, group: BlockedGroup) -> Said | None:
        name = _name(group)
        if name not in self._sayings:
            self._sayings[name] = say_all(group, self._recording, self._sources)
        return self._sayings[name]

    def _gains_less_than_it_looks(self, group: BlockedGroup, gain: Gain) -> bool:
        recording = self._recording
        if gain.gain_s is None or recording.serving_s is not None:
            return False  # of a server, nobody asks for how long it runs
        small_s = SMALL_SHARE * recording.run_s
        if gain.longer_s >= max(small_s, NOISE_S):
            return False  # the run may become longer, as its range says
        return gain.gain_s < small_s and group.total_s >= LARGE_SHARE * recording.run_s

    def _costs(self, group: BlockedGroup, said: Said) -> Costs:
        machine = self._machine if said.rule.to == "process" else TYPICAL
        return costs_of(group, said, machine, self._imports(said))

    def _imports(self, said: Said) -> Imports:
        """Return how long a process imports what is moved there.

        A function of the main file is sent without its module, and imports only what it names.
        """
        opened_s = min((loop.opened_s for loop in self._recording.loops), default=0.0)
        start_up_s = max(0.0, opened_s) if said.imports else 0.0
        worst_s = start_up_s * AGAIN
        if said.file != self._recording.meta.main:
            return Imports(start_up_s, worst_s)
        module = self._sources.module(said.file)
        return Imports(0.0, worst_s if module is None or module.uses_packages else 0.0)

    def _is_too_costly(self, group: BlockedGroup, said: Said) -> bool:
        return said.sends is not None and is_too_costly(group, said, self._machine)

    def _gain(self, group: BlockedGroup, said: Said) -> Gain:
        """Return what the run would gain with one group moved."""
        if _name(group) not in self._not_replayed:
            outcome = self._bounded([(group, self._costs(group, said))])
            gain_s = min(max(0.0, self._model.run_s - outcome.run_s), group.total_s)
            run_s = self._model.run_s - gain_s
            lag_s = outcome.lag._asdict()
            longest_s = outcome.range_s[1] if outcome.range_s else run_s
            longer_s = (longest_s - NOISE_S) / (1 + NOISE) - run_s
            found = gain_s, run_s, outcome.busy_s, lag_s, outcome.range_s, outcome.assumes
            return Gain(*found, longer_s=longer_s)
        model, gain_s = self._model, group.total_s * self._gained_share
        busy_s = max(0.0, model.busy_s - group.total_s)
        return Gain(gain_s, model.run_s - gain_s, busy_s, None, None, ())

    def _bounded(self, moved: Sequence[tuple[BlockedGroup, Costs]]) -> Outcome:
        """Return what the run would have been with some groups moved, and in which range."""
        model, company, cases = self._model, self._company, []
        found: dict[object, Outcome] = {}
        for at, rivals in enumerate(company.rivals):
            case = (tuple(costs.moves[at] for _, costs in moved), rivals)
            if case not in found:
                moves = [(group, costs.moves[at]) for group, costs in moved]
                found[case] = model.outcome(moves, rivals)
            cases.append(found[case])
        expected, best, worst = cases
        uses_cpu = any(costs.moves[0].uses_cpu for _, costs in moved)
        assumes = dict.fromkeys(one for _, costs in moved for one in costs.assumes)
        if uses_cpu:
            assumes |= dict.fromkeys(company.assumes)
        until = self._runs_until_a_moment
        run_s = max(expected.run_s, model.run_s) if until else expected.run_s
        high = max(run_s, worst.run_s, model.run_s if until else 0.0)
        if until:
            assumes = {f"{until} ends it at a moment, as it did": None}
        low = max(0.0, min(run_s, best.run_s) * (1 - NOISE) - NOISE_S)
        high = high * (1 + NOISE) + NOISE_S
        return expected._replace(run_s=run_s, range_s=(low, high), assumes=tuple(assumes))

    @cached_property
    def _machine(self) -> Machine:
        return self._measure()

    @cached_property
    def _company(self) -> Company:
        return company_of(self._groups, self._recording.meta.cores or 1)

    @cached_property
    def _runs_until_a_moment(self) -> str:
        """Return what ends the run at a moment, however much was done by then; empty: nothing."""
        ownership = Ownership(self._recording.meta)
        if self._model.ended_by(
            {
                code.index
                for code in self._recording.codes.values()
                if plain_name(code.function) in TIMEOUTS and ownership.is_stdlib(code.file)
            }
        ):
            return "a timeout"
        for code in self._recording.codes.values():
            if code.is_coroutine and code.file and ownership.is_own(code.file):
                module = self._sources.module(code.file)
                frame = Frame(code.file, code.line, code.function)
                scope = module.scope_of(frame) if module else None
                if module and scope and ends_at_a_moment(module, scope):
                    return f"`{plain_name(code.function)}`"
        return ""

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
    def _not_replayed(self) -> frozenset[Name]:
        return frozenset(_name(group) for group in self._groups[self._most :])

    @cached_property
    def _gained_share(self) -> float:
        """Which part of their time the groups gain that are replayed; the others gain as much."""
        replayed = self._groups[: self._most]
        advised = ((group, self.advise(group)) for group in replayed)
        gained_s = sum(advice.gain_s or 0.0 for _, advice in advised if advice)
        return gained_s / max(sum(group.total_s for group in replayed), 1e-9)


def _name(group: BlockedGroup) -> Name:
    return group.blocker, group.culprit, group.keys


def _is_estimated(said: Said) -> bool:
    """Whether what a sentence says can be estimated: what it moves is known, and can be moved."""
    rule = said.rule
    guesses = rule.result or rule.costly or rule.changes or rule.apart or rule.gil
    return rule.to in MOVES and (said.is_written or not guesses)


class Gain(NamedTuple):
    """What an `Advice` says of what it gains; None: not known."""

    gain_s: float | None = None
    run_s: float | None = None
    busy_s: float | None = None
    lag_s: Mapping[str, float] | None = None
    range_s: tuple[float, float] | None = None
    assumes: tuple[str, ...] = ()
    longer_s: float = 0.0  # than is expected, at worst


UNKNOWN = Gain()


def _advice(said: Said, gain: Gain) -> Advice:
    return Advice(
        to=said.rule.to,
        text=said.text,
        rule=said.rule.name,
        file=said.file,
        edits=said.edits,
        gain_s=gain.gain_s,
        run_s=gain.run_s,
        busy_s=gain.busy_s,
        lag_s=gain.lag_s,
        range_s=gain.range_s,
        assumes=gain.assumes,
    )


TIMEOUTS = frozenset({"_on_timeout", "_release_waiter"})
"""What asyncio calls when a timeout is over."""

AT_THE_END = 0.1
"""What happens in this share of a run, the last, may have ended it."""


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
        self._begin, self._subject = steps.begin, steps.subject
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

    def ended_by(self, sites: Set[int]) -> bool:
        """Whether one of some pieces of code ran for the last time as the run ended."""
        subjects = {SITE_BIT | site for site in sites}
        last = max(
            (
                begin
                for begin, subject in zip(self._begin, self._subject, strict=True)
                if subject in subjects
            ),
            default=None,
        )
        end = max(self._begin, default=0.0)
        return last is not None and end - last < AT_THE_END * self.run_s

    def outcome(self, moves: Iterable[tuple[BlockedGroup, Move]], rivals: Rivals) -> Outcome:
        """Return what the run would have been with the steps of some groups moved."""
        moves_of: dict[Key, list[Move]] = {}
        for group, move in moves:
            for step in group.steps:
                moves_of.setdefault(step.key, []).append(move._replace(share=step.share))
        moved = {self._place[key]: found for key, found in moves_of.items() if key in self._place}
        outcome = self._replay.outcome(moved, rivals)
        # What the replay makes of the recorded run is not quite that: gains are differences.
        run_s = max(0.0, outcome.run_s + self.run_s - self._unmoved_s)
        # A loop is also busy between its steps, and in steps older than those replayed.
        busy_s = max(0.0, self.busy_s - self._in_steps_s + outcome.busy_s)
        is_coarse = not self._lost.isdisjoint(moves_of)
        lag = _with_handover(outcome.lag, moves_of.values(), run_s)
        return outcome._replace(run_s=run_s, busy_s=busy_s, lag=lag, coarse=is_coarse)


def _with_handover(lag: Lag, moves: Iterable[Sequence[Move]], run_s: float) -> Lag:
    """Return a lag that is no shorter than what sending, or a thread beside the loop, brings."""
    each = [one for found in moves for one in found if one.to != "await"]
    start_s = max((one.start_s for one in each), default=0.0)
    send_s = max((one.send_s for one in each), default=0.0)
    least = max(send_s, LEAST_LAG_S) if each else 0.0
    most = max(least, START_LAG_SHARE * start_s)
    # As many callbacks as come in one in a hundred moments of the run are later than p99.
    p99 = max(lag.p99, least, most - run_s / 100)
    return Lag(lag.p50, p99, max(lag.max, most, p99))


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
