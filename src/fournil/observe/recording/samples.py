"""What the watch saw, sorted by the steps that it saw it of; it grows as samples come.

The loop's own thread writes a record when a step ends that ran for the threshold or longer:
these are complete. The watch's looks and the answers to its requests for the GIL are written
by others at other moments, and belong to a step by its thread and begin.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from operator import attrgetter

from fournil.evidence.looks import Answer, HolderLook, Look
from fournil.evidence.stacks import Frame
from fournil.observe.recording.decode import Key
from fournil.observe.recording.decode_samples import (
    Sample,
    SampleOfAnswer,
    SampleOfEnd,
    SampleOfGilWait,
    SampleOfHolder,
    SampleOfLate,
    SampleOfLook,
    SampleOfName,
    SampleOfServed,
)
from fournil.record.kinds import Kind

Stack = tuple[tuple[Frame, ...], Frame | None]
"""The frames inside a step, and the innermost one of the user's own code."""

_at = attrgetter("at")


class Samples:
    """The newest samples of a recording."""

    def __init__(self) -> None:
        self.ended: dict[Key, SampleOfEnd] = {}
        self.looks: dict[Key, list[Look]] = {}  # at steps, in the order in which they were taken
        self.script_looks: list[Look] = []
        self.served: dict[Key, int] = {}  # what a step serves, as a reference to a text
        self.answers: defaultdict[int, dict[int, Answer]] = defaultdict(dict)
        """The answers of a thread, by request."""
        self.holder_looks: dict[Key, list[HolderLook]] = {}
        """At who had the GIL, by the step of the loop that waited for it, or by the wait."""
        self.gil_waits: dict[Key, SampleOfGilWait] = {}  # between two steps
        self.names: dict[int, int] = {}  # of threads: texts, by native number
        self.late: list[SampleOfLate] = []  # in the order in which they were written
        self.dropped = 0
        self._kept: deque[Sample] = deque()
        self._asked_at: defaultdict[Key, set[Key]] = defaultdict(set)
        """The steps at which a thread was asked, by thread and request."""

    def add(
        self,
        samples: Iterable[Sample],
        most: int,
        stack_of: Callable[[SampleOfLook | SampleOfHolder], Stack],
    ) -> set[Key]:
        """Take new samples; return the steps of which something is new, or is gone.

        Args:
            samples: in the order in which they were written.
            most: how many are kept, the newest.
            stack_of: returns the stack of a look.
        """
        changed: set[Key] = set()
        for sample in samples:
            self._kept.append(sample)
            match sample:
                case SampleOfLook():
                    self._add_look(sample, *stack_of(sample))
                    changed.add((sample.thread, sample.begin))
                case SampleOfAnswer(thread, ask, answer):
                    self.answers[thread][ask] = answer
                    changed |= self._asked_at.get((thread, ask), set())
                case SampleOfEnd(thread, begin):
                    self.ended[thread, begin] = sample
                    changed.add((thread, begin))
                case SampleOfServed(thread, begin, text):
                    self.served[thread, begin] = text
                    changed.add((thread, begin))
                case SampleOfHolder(thread, begin):
                    self._add_holder(sample, *stack_of(sample))
                    changed.add((thread, begin))
                case SampleOfGilWait(thread, begin):
                    self.gil_waits[thread, begin] = sample
                case SampleOfName(native_id, name):
                    self.names[native_id] = name
                case SampleOfLate():
                    self.late.append(sample)
                    changed |= self._ended_since(sample.since)
        while len(self._kept) > most:
            changed |= self._forget(self._kept.popleft())
            self.dropped += 1
        return changed

    def _add_look(self, sample: SampleOfLook, frames: tuple[Frame, ...], own: Frame | None) -> None:
        look = Look(
            sample.at,
            sample.since,
            sample.evidence,
            sample.ask,
            frames,
            own,
            sample.wanted,
            sample.collection,
        )
        key = sample.thread, sample.begin
        looks = self.script_looks if sample.kind == Kind.SCRIPT else self.looks.setdefault(key, [])
        insort(looks, look, key=_at)
        if sample.ask:
            self._asked_at[sample.thread, sample.ask].add(key)

    def _add_holder(
        self, sample: SampleOfHolder, frames: tuple[Frame, ...], own: Frame | None
    ) -> None:
        look = HolderLook(
            sample.at,
            sample.since,
            sample.evidence,
            sample.native_id,
            frames,
            own,
            sample.wanted,
            sample.collection,
        )
        looks = self.holder_looks.setdefault((sample.thread, sample.begin), [])
        insort(looks, look, key=_at)

    def _ended_since(self, tick: int) -> set[Key]:
        """Return the newest steps that ended after a tick."""
        found = set()
        for key, ended in reversed(self.ended.items()):
            if ended.end < tick:
                break
            found.add(key)
        return found

    def _forget(self, sample: Sample) -> set[Key]:
        match sample:
            case SampleOfAnswer(thread, ask):
                self.answers[thread].pop(ask, None)
                return self._asked_at.get((thread, ask), set())
            case SampleOfEnd(thread, begin):
                self.ended.pop((thread, begin), None)
                return {(thread, begin)}
            case SampleOfServed(thread, begin):
                self.served.pop((thread, begin), None)
                return {(thread, begin)}
            case SampleOfHolder(thread, begin):
                looks_at_holder = self.holder_looks[thread, begin]
                del looks_at_holder[0]
                if not looks_at_holder:
                    del self.holder_looks[thread, begin]
                return {(thread, begin)}
            case SampleOfGilWait(thread, begin):
                self.gil_waits.pop((thread, begin), None)
                return set()
            case SampleOfName():
                return set()  # it may be called so still
            case SampleOfLate():
                del self.late[0]
                return set()
        if sample.kind == Kind.SCRIPT:
            del self.script_looks[0]
            return set()
        key = sample.thread, sample.begin
        looks = self.looks[key]
        del looks[0]
        if not looks:
            del self.looks[key]
        if sample.ask:
            self._asked_at.get((sample.thread, sample.ask), set()).discard(key)
        return {key}
