"""What would help against blocked steps, and what the run would have been with it: pure.

The estimates come from replays (`whatif`) of the steps that the recording still has, the
newest `MOST_STEPS` of them. Of the time before, only the blocked steps are known, and not
who made them ready; they are replayed as well, but as if each had waited for nothing but the
loop and its own task. An estimate that rests on such steps is marked as coarse.

An estimate is made as things are expected, at best, and at worst: it is a range where these differ,
and tells what they assume. Where nothing is known to help, none is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame, plain_name
from fournil.observe.advice.callers import say_all
from fournil.observe.advice.costs import (
    NO_COMPANY,
    Company,
    Costs,
    Imports,
    company_of,
    costs_of,
    is_too_costly,
)
from fournil.observe.advice.edits import Edit
from fournil.observe.advice.headroom import Headroom, headroom, load_of
from fournil.observe.advice.machine import TYPICAL, Machine
from fournil.observe.advice.program import Sources, Text, ends_at_a_moment, has_others_go_on
from fournil.observe.advice.recorded import MOST_STEPS, RecordedRun
from fournil.observe.advice.sentence import Said, too_large
from fournil.observe.recording import blocked
from fournil.observe.recording.decode import Key
from fournil.observe.recording.model import BlockedGroup, Code, Recording
from fournil.observe.replay.steps import Come
from fournil.observe.replay.whatif import Move, Outcome

MOST_REPLAYED = MOST_STEPS
"""So many steps are replayed for single groups, all together, the greatest groups first; each as it
is expected, at best, and at worst."""

SMALL_SHARE, LARGE_SHARE = 0.01, 0.1
"""A gain below the one share of the run is none to speak of, which surprises only where the steps
take the other one."""

ONLY_LAG = "By itself this shortens the lag, not the run."

NOISE, NOISE_S = 0.1, 0.02
"""Two runs of one program differ by so much: by a share, and besides."""

NOISE_OUTSIDE = 0.15
"""The same where others ask or answer, who may come a little sooner or later."""

COME: tuple[Come, ...] = ("", "early", "late")
"""When what comes from outside does: as it is expected, at best, and at worst."""

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
        if not _is_estimated(said) or self._would_be_another:
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
        if not moved:
            return None
        moved += self._unseen_like(moved)
        return self._bounded(moved)

    def _unseen_like(
        self, moved: Sequence[tuple[BlockedGroup, Costs]]
    ) -> Iterator[tuple[BlockedGroup, Costs]]:
        """Yield blocked steps that the watch did not see, as part of the greatest of the groups.

        Of those of the same code, where all of them are moved.
        """
        unseen = [step for step in self._recording.blocked if step.blocker is None]
        if not unseen:
            return
        code_of = self._recording.code_of
        groups_of: dict[Code, set[int]] = {}
        for number, group in enumerate(self._groups):
            for step in group.steps:
                if (code := code_of(step.subject)) is not None:
                    groups_of.setdefault(code, set()).add(number)
        costs_of_group = {_name(group): costs for group, costs in moved}
        for code, numbers in groups_of.items():
            steps = tuple(step for step in unseen if code_of(step.subject) == code)
            names = [_name(self._groups[number]) for number in sorted(numbers)]
            if steps and all(name in costs_of_group for name in names):
                greatest = self._groups[min(numbers)]
                yield replace(greatest, steps=steps), costs_of_group[names[0]]

    def headroom(self, advised: Sequence[tuple[BlockedGroup, Advice]]) -> Headroom | None:
        """Return how many times its load the loop bears, now and with all advice followed.

        None where nothing came from outside, little, or now much and now little.

        Args:
            advised: groups of blocked steps, each with its advice.
        """
        recording = self._recording
        load = load_of(recording, MOST_STEPS)
        if load is None:
            return None
        moved: list[tuple[BlockedGroup, Move]] | None = None
        assumes: dict[str, None] = {}
        for group, advice in advised:
            said = self._said(group)
            if said is not None and advice.run_s is not None:
                costs = self._costs(group, said)
                moved = [*(moved or ()), (group, costs.moves[0])]
                if costs.moves[2].turns and not costs.moves[0].turns:
                    assumes["what is waited for answers many at a time"] = None
        uses_cpu = any(move.uses_cpu for _, move in moved or ())
        others = self._company.rivals[0].number if uses_cpu else 0.0
        cores = recording.meta.cores or 1
        return headroom(
            load, recording.pools, moved, cores=cores, others=others, assumes=tuple(assumes)
        )

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
        started = any(pool.kind == "ProcessPool" and pool.ran for pool in self._recording.pools)
        return costs_of(group, said, machine, self._imports(said), has_started=started)

    def _imports(self, said: Said) -> Imports:
        """Return how long a process imports what is moved there.

        A function of the main file is sent without its module, and imports only what it names.
        """
        opened_s = min((loop.opened_s for loop in self._recording.loops), default=0.0)
        start_up_s = max(0.0, opened_s) if said.imports else 0.0
        worst_s = start_up_s * AGAIN
        if said.runs != self._recording.meta.main:
            return Imports(start_up_s, worst_s)
        module = self._sources.module(said.runs)
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
        uses_cpu = any(costs.moves[0].uses_cpu for _, costs in moved)
        model, company, cases = self._model, self._company if uses_cpu else NO_COMPANY, []
        found: dict[object, Outcome] = {}
        for at, rivals in enumerate(company.rivals):
            come: Come = "" if model.is_told else COME[at]
            case = (tuple(costs.moves[at] for _, costs in moved), rivals, come)
            if case not in found:
                moves = [(group, costs.moves[at]) for group, costs in moved]
                found[case] = model.outcome(moves, rivals, come)
            cases.append(found[case])
        expected, best, worst = cases
        assumes = dict.fromkeys(one for _, costs in moved for one in costs.assumes)
        assumes |= dict.fromkeys(company.assumes)
        until, moment_s = self._runs_until_a_moment
        run_s = max(expected.run_s, moment_s)
        high = max(run_s, worst.run_s, model.run_s if until else 0.0)
        if until:
            assumes = {f"{until} ends it at a moment, as it did": None}
        noise = NOISE if model.is_told else NOISE_OUTSIDE
        low = max(0.0, min(run_s, best.run_s) * (1 - noise) - NOISE_S)
        high = high * (1 + noise) + NOISE_S
        return expected._replace(run_s=run_s, range_s=(low, high), assumes=tuple(assumes))

    @cached_property
    def _machine(self) -> Machine:
        return self._measure()

    @cached_property
    def _company(self) -> Company:
        cores = self._recording.meta.cores or 1
        return company_of(self._groups, cores, self._machine.others)

    @cached_property
    def _timeouts(self) -> list[tuple[float, float]]:
        """When timeouts were over, and how late that was seen."""
        ownership = Ownership(self._recording.meta)
        return self._model.steps_of(
            {
                code.index
                for code in self._recording.codes.values()
                if plain_name(code.function) in TIMEOUTS and ownership.is_stdlib(code.file)
            }
        )

    @cached_property
    def _would_be_another(self) -> bool:
        """Whether the program would have done other things, had it not been blocked."""
        return len(self._timeouts) > max(RARE, OFTEN * len(self._recording.blocked))

    @cached_property
    def _runs_until_a_moment(self) -> tuple[str, float]:
        """Return what ends the run at a moment, however much was done by then, and that moment.

        Empty: nothing does.
        """
        recording, model = self._recording, self._model
        ownership = Ownership(recording.meta)
        if 0 < len(self._timeouts) <= RARE and model.is_at_the_end(self._timeouts[-1][0]):
            return "a timeout", model.run_s - self._timeouts[-1][1]
        for code in recording.codes.values():
            if code.is_coroutine and code.file and ownership.is_own(code.file):
                module = self._sources.module(code.file)
                frame = Frame(code.file, code.line, code.function)
                scope = module.scope_of(frame) if module else None
                if module and scope and ends_at_a_moment(module, scope):
                    return f"`{plain_name(code.function)}`", model.run_s
        if model.after_s > max(SHORT_S, SHORT_SHARE * model.run_s):
            main = self._sources.module(recording.meta.main or "")
            if main and has_others_go_on(main):
                return "what goes on beside the loop", model.run_s
        return "", 0.0

    @cached_property
    def _model(self) -> RecordedRun:
        return RecordedRun(self._recording)

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


RARE, OFTEN = 2, 0.1
"""So few timeouts may end a run. More, for such a share of the blocked steps, change what it does:
without the blocks, what they ended goes on."""

TIMEOUTS = frozenset({"_on_timeout", "_release_waiter"})
"""What asyncio calls when a timeout is over."""

SHORT_S, SHORT_SHARE = 0.05, 0.05
"""A program ends within this time after its loop, or this share of its run, if nothing goes on."""
