"""Blocked steps: what the watch saw of each, judged and grouped. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from fournil.evidence import classify, stacks
from fournil.evidence.classify import Blocker
from fournil.evidence.looks import Answer, Look, weight
from fournil.evidence.ownership import Ownership
from fournil.evidence.parts import split
from fournil.evidence.stacks import Frame
from fournil.observe.recording.decode import Key, Text
from fournil.observe.recording.decode_samples import SampleOfEnd
from fournil.observe.recording.hindrances import Lack, Unlooked
from fournil.observe.recording.holders import holder_of, waits_between_steps
from fournil.observe.recording.lacking import lack_of, was_starved
from fournil.observe.recording.model import (
    BlockedGroup,
    BlockedStep,
    Code,
    RunningStep,
    Script,
    ScriptLine,
)
from fournil.observe.recording.samples import Samples
from fournil.observe.recording.served import Served
from fournil.record.kinds import SAW_KERNEL, SITE_BIT
from fournil.record.units import Clock

Item = TypeVar("Item")

ClassAtLine = tuple[Blocker | None, str, int]

CodeOf = Callable[[int], Code | None]
"""Returns the code that a subject runs."""

UNKNOWN = Frame("?", 0, "?")


class Judge:
    """Makes of one recording's samples blocked steps and slow lines."""

    def __init__(
        self,
        samples: Samples,
        clock: Clock,
        limits: classify.Limits,
        threshold_s: float,
        ownership: Ownership,
        text: Text,
        served_of: Callable[[Key], Served | None] = lambda key: None,
        *,
        blind: bool = False,
    ) -> None:
        self._samples = samples
        self._ownership = ownership
        self._clock = clock
        self._limits = limits
        self._threshold_s = threshold_s
        self._text = text
        self._served_of = served_of
        self._blind = blind

    def ended(self, step: SampleOfEnd, code_of: CodeOf) -> BlockedStep:
        """Return a blocked step that ended."""
        return self._step(step, code_of, is_over=True)

    def running(self, thread: int, step: RunningStep, code_of: CodeOf) -> BlockedStep | None:
        """Return a step that did not end, if the watch had begun to look at it."""
        looks = self._samples.looks.get((thread, step.begin_ticks))
        if not looks:
            return None
        end = max(look.at for look in looks)
        so_far = SampleOfEnd(thread, step.begin_ticks, end, 0, step.subject, step.kind)
        return self._step(so_far, code_of, is_over=False)

    def _step(self, step: SampleOfEnd, code_of: CodeOf, *, is_over: bool) -> BlockedStep:
        thread, begin = step.thread, step.begin
        looks = self._samples.looks.get((thread, begin), ())
        answers = {
            ask: classify.until(step.end, answer, self._limits)
            for ask, answer in self._answers_to(thread, looks)
        }
        verdict = classify.judge(looks, answers, self._limits)
        duration = self._clock.duration
        culprit = verdict.culprit if verdict else None
        if culprit is None:
            # The task's own slot may be another's by now.
            code = code_of(step.subject) or code_of(SITE_BIT | step.site)
            culprit = Frame(code.file, code.line, code.function) if code else UNKNOWN
        found = BlockedStep(
            thread=thread,
            begin_ticks=begin,
            subject=step.subject,
            kind=step.kind,
            begin_s=self._clock.seconds(begin),
            duration_s=duration(max(0, step.end - begin)),
            delay_s=duration(step.delay),
            ended=is_over,
            blocker=verdict.blocker if verdict else None,
            frames=verdict.frames if verdict else (),
            culprit=culprit,
            lines={frame: duration(time) for frame, time in verdict.lines.items()}
            if verdict
            else {},
            gil_wait_s=duration(verdict.gil_wait) if verdict else 0.0,
            stacks=self._stacks(looks, verdict.lines) if verdict else {},
            served=self._served_of((thread, begin)),
            collection=verdict.collection if verdict else None,
            debugged=any(self._ownership.is_debugger(look.frames) for look in looks),
        )
        found = self._with_causes(found, step, looks, answers)
        if found.blocker is Blocker.STARVED or found.waited_for_gil:
            return found
        return replace(found, parts=tuple(self._parts(found, looks, answers)))

    def _with_causes(
        self,
        found: BlockedStep,
        step: SampleOfEnd,
        looks: Sequence[Look],
        answers: Mapping[int, Answer],
    ) -> BlockedStep:
        """Return a step with what kept it from running: no CPU, or the GIL."""
        duration = self._clock.duration
        labels = classify.label(looks, answers, self._limits)
        waits = {Blocker.WAITING, None}
        waited = sum(weight(look) for look, of in zip(looks, labels, strict=True) if of in waits)
        lack = lack_of(step, looks, self._samples.late, duration(waited), self._clock)
        blocker, unlooked = found.blocker, None
        if lack and was_starved(found.duration_s, lack, self._threshold_s):
            blocker = Blocker.STARVED
        elif not looks:
            dropped = self._samples.dropped
            unlooked = Unlooked.OVERWRITTEN if dropped else Unlooked.SHORT
            if self._blind:
                unlooked = Unlooked.BLIND
        holders = self._samples.holder_looks.get(found.key, ())
        return replace(
            found,
            blocker=blocker,
            lack=lack,
            kernel_s=duration(sum(weight(look) for look in looks if look.evidence & SAW_KERNEL)),
            holder=holder_of(holders, self._name_of),
            unlooked=unlooked,
        )

    def gil_waits(self) -> tuple[BlockedStep, ...]:
        """Return the waits of loops for the GIL between two steps."""
        return tuple(
            waits_between_steps(
                self._samples, self._clock, self._name_of, UNKNOWN, self._threshold_s
            )
        )

    def _name_of(self, native_id: int) -> str:
        return self._text.at(self._samples.names.get(native_id, 0), "")

    def _parts(
        self, step: BlockedStep, looks: Sequence[Look], answers: Mapping[int, Answer]
    ) -> Iterator[BlockedStep]:
        """Yield a step as each of its parts has it; none where it did one thing."""
        labels = classify.label(looks, answers, self._limits)
        parts = split(looks, labels, self._threshold_s * 1e9 / self._limits.ns_per_tick)
        for part in parts if len(parts) > 1 else ():
            yield replace(
                step,
                blocker=part.blocker,
                culprit=part.culprit,
                frames=part.frames,
                lines={line: self._clock.duration(time) for line, time in part.lines.items()},
                stacks=self._stacks(looks, part.lines),
                gil_wait_s=step.gil_wait_s * part.share,
                kernel_s=step.kernel_s * part.share,
                lack=step.lack and Lack(*(time * part.share for time in step.lack)),
                collection=part.collection,
                part_s=step.duration_s * part.share,
            )

    def _stacks(
        self, looks: Iterable[Look], lines: Iterable[Frame]
    ) -> dict[tuple[Frame, ...], float]:
        """Return how long the looks at some lines stand for, by their stacks."""
        places = {line[:2] for line in lines}
        # Looks share their stacks: as objects, they are compared at once.
        times: defaultdict[int, int] = defaultdict(int)
        stacks_seen: dict[int, tuple[Frame, ...]] = {}
        for look in looks:
            if look.own and look.own[:2] in places:
                times[id(look.frames)] += weight(look)
                stacks_seen[id(look.frames)] = look.frames
        return {stacks_seen[key]: self._clock.duration(time) for key, time in times.items()}

    def _answers_to(self, thread: int, looks: Iterable[Look]) -> Iterator[tuple[int, Answer]]:
        answers = self._samples.answers.get(thread, {})
        return ((ask, answers[ask]) for ask in {look.ask for look in looks} if ask in answers)

    def script(self, thread: int) -> Script:
        """Return the slow lines of a program that ran no loop.

        Its looks are judged line by line, since they are of one step that lasts as long as
        the program.
        """
        by_line: defaultdict[tuple[str, int], list[Look]] = defaultdict(list)
        for look in self._samples.script_looks:
            if look.own:
                by_line[look.own.file, look.own.line].append(look)
        answers = self._samples.answers.get(thread, {})
        lines = []
        for looks in by_line.values():
            labels = classify.label(looks, answers, self._limits)
            by_class = defaultdict(list)
            for look, blocker in zip(looks, labels, strict=True):
                if blocker is not None:
                    by_class[blocker].append(look)
            for blocker, same in by_class.items():
                ((own, time),) = classify.time_by_line(same).items()
                if (total_s := self._clock.duration(time)) >= self._threshold_s:
                    frames = classify.heaviest_stack(same, own)
                    lines.append(ScriptLine(own, blocker, total_s, frames))
        lines.sort(key=lambda line: -line.total_s)
        watched = sum(map(weight, self._samples.script_looks))
        return Script(tuple(lines), self._clock.duration(watched))


def group(steps: Iterable[BlockedStep]) -> list[BlockedGroup]:
    """Return the steps grouped by class and culprit line, the greatest total time first.

    A step that did several things is in a group with each of them.

    A loop's body has several lines, and chance decides which of them weighs most in one
    step. So steps that were seen on a common line of the culprit's function are one group.
    """
    each = (part for step in steps for part in step.parts or (step,))
    in_order = sorted(each, key=lambda step: step.begin_ticks)
    groups = [_make_group(steps) for steps in join(in_order, lines_of_culprit)]
    return sorted(groups, key=lambda group: -group.total_s)


def join(
    items: Iterable[Item], lines_of: Callable[[Item], Sequence[ClassAtLine]]
) -> list[list[Item]]:
    """Return the items that have a line in common together, be it by a third one."""
    members: dict[ClassAtLine, list[Item]] = {}
    home: dict[ClassAtLine, ClassAtLine] = {}  # -> the key in `members`
    for item in items:
        seen = lines_of(item)
        found = {home[line]: None for line in seen if line in home}
        kept, *others = found or {seen[0]: None}
        together = members.setdefault(kept, [])
        together.append(item)
        for other in others:
            together += members.pop(other)
            home.update({line: kept for line, key in home.items() if key == other})
        home.update(dict.fromkeys(seen, kept))
    return list(members.values())


def lines_of_culprit(step: BlockedStep) -> list[ClassAtLine]:
    """Return the lines of the culprit's function that a step was seen on, with its class."""
    file, line, function = step.culprit
    name = stacks.plain_name(function)
    if step.blocker is Blocker.STARVED:
        return [(step.blocker, f"{file}:{name}", 0)]  # where it was just then was chance
    lines = {line} | {
        frame.line
        for frame in step.lines
        if frame.file == file and stacks.plain_name(frame.function) == name
    }
    return [(step.blocker, file, line) for line in sorted(lines)]


def _make_group(steps: list[BlockedStep]) -> BlockedGroup:
    lines = stacks.sum_by_line(item for step in steps for item in step.lines.items())
    culprit = max(lines, key=lambda frame: lines[frame]) if lines else steps[0].culprit
    in_order = tuple(sorted(steps, key=lambda step: step.begin_ticks))
    return BlockedGroup(steps[0].blocker, culprit, in_order)
