"""Who waited while a step blocked its loop: pure.

Of a step that ran after the blocked one, the recording says when it became ready. What was
reported by a poll came at some moment before that poll, which nobody knows: where the first poll
after the blocked step did not have to wait, its events came while the loop ran steps, and of these
the blocked one took nearly all the time. They count as sufferers, with half of that time each.
What the blocked task itself does next has not waited for it, nor has what became ready at its end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fournil.observe.recording.model import BlockedStep, Recording
from fournil.observe.replay.arrivals import AT_ONCE_S
from fournil.observe.replay.steps import POLLED, is_task

SAME_POLL_S = 2e-5
"""The events of one poll are ready at the same moment, but long delays are recorded coarsely."""

LEAST_S = 0.001
"""What waited for less is not delayed: a step that was made ready just before the end."""

WOKEN_WITHIN = 200
"""A task that a step woke runs within so many steps, or is not looked for."""

Key = tuple[int, int]
"""BlockedStep.key."""


@dataclass(frozen=True, slots=True)
class Suffering:
    """How many steps waited for blocked steps, and how long.

    A step that waited for several blocked ones counts once, with all of its time.
    """

    steps: int
    total_s: float
    longest_s: float
    arrived: int  # how many of the steps took up what a poll reported: their times are estimates
    by: Mapping[tuple[int, int], int]  # how many of the steps a subject ran and woke which
    unknown: int  # blocked steps of which the recording has nothing left that ran after them


@dataclass(frozen=True, slots=True)
class Waited:
    """A step that waited for a blocked one."""

    step: Key  # the step that waited
    subject: int
    woke: int  # the task that it made runnable first; 0: none
    seconds: float
    has_arrived: bool


def find_sufferers(recording: Recording) -> dict[Key, list[Waited] | None]:
    """Return, for each blocked step, what waited for its end; None: not known."""
    found: dict[Key, list[Waited] | None] = {}
    if not recording.blocked:
        return found
    loops = _steps_of_loops(recording)
    for step in recording.blocked:
        loop = loops.get(step.thread)
        at = None if loop is None else loop.place_of(step)
        found[step.key] = None if loop is None or at is None else [*loop.waited_for(step, at)]
    return found


def suffering(
    steps: Iterable[BlockedStep], sufferers: Mapping[Key, list[Waited] | None]
) -> Suffering:
    """Return what waited for any of some blocked steps."""
    known = [sufferers.get(step.key) for step in steps]
    waited: dict[Key, Waited] = {}
    seconds: dict[Key, float] = defaultdict(float)
    for those in known:
        for one in those or ():
            waited[one.step] = one
            seconds[one.step] += one.seconds
    return Suffering(
        steps=len(waited),
        total_s=sum(seconds.values()),
        longest_s=max(seconds.values(), default=0.0),
        arrived=sum(one.has_arrived for one in waited.values()),
        by=Counter((one.subject, one.woke) for one in waited.values()),
        unknown=known.count(None),
    )


class _Steps:
    """The steps of one loop, in the order in which they began."""

    def __init__(self) -> None:
        self.ticks: list[int] = []
        self.begin: list[float] = []
        self.end: list[float] = []
        self.ready: list[float] = []
        self.subject: list[int] = []
        self.waker: list[int] = []
        self.polled: list[bool] = []

    def place_of(self, step: BlockedStep) -> int | None:
        """Return where a blocked step stands; None: it was overwritten, or did not end."""
        at = bisect_left(self.ticks, step.begin_ticks)
        return at if at < len(self.ticks) and self.ticks[at] == step.begin_ticks else None

    def waited_for(self, step: BlockedStep, at: int) -> Iterator[Waited]:
        """Yield the steps that were ready, or whose events had come, before a step's end."""
        begin, end = self.begin[at], self.end[at]
        own = self.subject[at] if is_task(self.subject[at]) else None
        woken: set[int] = set()
        idle_from = end  # until when steps ran, of those before the one that is looked at
        next_turn: float | None = None  # when the first step ran that became ready after the end
        poll: float | None = None  # when the first poll after the end returned
        for index in range(at + 1, len(self.begin)):
            ready = self.ready[index]
            if next_turn is not None and ready >= next_turn:
                return  # of a later turn, as all that follows
            if self.polled[index]:
                if poll is None:
                    poll = ready
                    if poll - idle_from >= AT_ONCE_S:
                        return  # the loop had nothing to do any more
                if ready - poll > SAME_POLL_S:
                    return
                waited = (end - begin) / 2
            else:
                waited = end - max(ready, begin)
            if waited >= LEAST_S and self.subject[index] != own:
                woke = self._woken_by(index, woken)
                if woke != own:
                    key = step.thread, self.ticks[index]
                    yield Waited(key, self.subject[index], woke, waited, self.polled[index])
            if next_turn is None and ready >= end:
                next_turn = self.begin[index]
            idle_from = max(idle_from, self.end[index])

    def _woken_by(self, index: int, woken: set[int]) -> int:
        """Return the task that a step woke, of those not known as woken; 0: none."""
        subject, begin, end = self.subject[index], self.begin[index], self.end[index]
        for after in range(index + 1, min(index + 1 + WOKEN_WITHIN, len(self.begin))):
            # The same callback wakes others too: this one's became ready while it ran.
            if (
                self.waker[after] == subject
                and after not in woken
                and is_task(self.subject[after])
                and begin - SAME_POLL_S <= self.ready[after] <= end + SAME_POLL_S
            ):
                woken.add(after)
                return self.subject[after]
        return 0


def _steps_of_loops(recording: Recording) -> dict[int, _Steps]:
    columns = recording.events.step_columns()
    wanted = {step.thread for step in recording.blocked}
    loops: dict[int, _Steps] = {thread: _Steps() for thread in wanted}
    threads, ticks = columns.numbers("thread"), columns.begin_ticks
    kinds, wakers = columns.numbers("kind"), columns.numbers("waker")
    subjects = columns.numbers("subject")
    begins, durations, delays = columns.begin, columns.duration, columns.delay
    # A step is written when it ends: one inside another stands before it.
    for place in sorted(range(len(ticks)), key=ticks.__getitem__):
        loop = loops.get(threads[place])
        if loop is None:
            continue
        begin = begins[place]
        loop.ticks.append(ticks[place])
        loop.begin.append(begin)
        loop.end.append(begin + durations[place])
        loop.ready.append(begin - delays[place])
        loop.subject.append(subjects[place])
        loop.waker.append(wakers[place])
        loop.polled.append(kinds[place] in POLLED)
    return loops
