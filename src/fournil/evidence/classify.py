"""From the watch's evidence to the class of a blocked step: pure rules.

The watch cannot see whether Python or C code holds the GIL. But Python code gives it up
within a switch interval of being asked, and C code only when it returns. So each look that
found the GIL held names the request that was open, and the answer to that request says how
much CPU time the thread used before it gave the GIL up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from fournil.evidence import stacks
from fournil.evidence.looks import Answer, Collection, HolderLook, Look, weight
from fournil.evidence.stacks import Frame, plain_name
from fournil.record.kinds import (
    SAW_GIL_HELD,
    SAW_GIL_WAIT,
    SAW_KEPT,
    SAW_ON_CPU,
)

PATIENCE = 3
"""A thread that used so many switch intervals of CPU time after a request is in C code."""

PATIENCE_TO_THE_END = 2
"""The same for one that kept the GIL until its step had ended: Python code would have given it
up within the step, about one interval after the request."""

GIL_WAIT_SHARE = 0.8
"""A step that waited for the GIL for more of its time than this did nothing else."""

DEFAULT_SWITCH_INTERVAL_NS = 5_000_000


class Blocker(StrEnum):
    """Why a blocked step took so long."""

    WAITING = "waiting"  # off the CPU: it slept, or waited for a socket, a lock, a file
    PYTHON = "python"  # on the CPU, in Python code
    NATIVE = "native"  # on the CPU, in C code that lets the GIL go
    NATIVE_GIL = "native-gil"  # in C code that keeps the GIL, on the CPU or off
    GC = "gc"  # in the collector of garbage
    STARVED = "starved"  # it wanted a CPU and had none, or its process was stopped


class Limits(NamedTuple):
    """What the looks and answers are measured in and against."""

    ns_per_tick: float
    switch_interval_ns: int

    @property
    def interval_ns(self) -> int:
        return self.switch_interval_ns or DEFAULT_SWITCH_INTERVAL_NS


class Verdict(NamedTuple):
    """What a step's looks say together; times in ticks."""

    blocker: Blocker
    culprit: Frame | None  # the user's own frame; None: no look had a stack
    lines: dict[Frame, int]  # the time of the looks that speak for the class
    frames: tuple[Frame, ...]  # of the heaviest look at the culprit
    gil_wait: int
    collection: Collection | None = None  # the greatest that was seen, where it speaks for that


DESTRUCTOR = "__del__"
"""The collector calls these, and what they do is theirs."""


def until(end: int, answer: Answer, limits: Limits) -> Answer:
    """Return the answer of a thread whose step ended at a tick: what it did later is not its."""
    if not answer.over:
        return answer
    wall_ns = int(max(0, end - answer.since) * limits.ns_per_tick)
    return answer._replace(
        used_ns=min(answer.used_ns, wall_ns),
        told_ns=max(0, answer.told_ns - max(0, answer.used_ns - wall_ns)),
    )


def weigh(answer: Answer, limits: Limits) -> tuple[Blocker, bool]:
    """Return the class that an answer speaks for, and whether it leaves no doubt.

    On a busy machine, the probe waits for a CPU as well, and tells the holder of the GIL late:
    as much of the holder's time as the probe waited may have gone by before that.
    """
    interval = limits.interval_ns
    surely_used = answer.used_ns - answer.waited_ns
    if answer.told_ns >= interval or surely_used >= PATIENCE * interval:
        return Blocker.NATIVE_GIL, True
    if answer.over and surely_used >= PATIENCE_TO_THE_END * interval:
        return Blocker.NATIVE_GIL, True
    if answer.used_ns >= PATIENCE * interval:
        return Blocker.NATIVE_GIL, False
    # One that gives it up sooner does so on its own account, at the end of a C call or to wait;
    # and one whose step ended may have been about to. Where threads share a CPU, an interval
    # goes by while the holder uses little of it.
    asked_ns = max(answer.used_ns * 2, answer.took_ns - answer.waited_ns)
    return Blocker.PYTHON, not answer.over and asked_ns >= interval


def label(
    looks: Sequence[Look], answers: Mapping[int, Answer], limits: Limits
) -> list[Blocker | None]:
    """Return the class that each look at one step speaks for; None for a wait for the GIL.

    `answers` has, by request, how the thread gave up the GIL. A request without one was open
    when the program was killed, and then the looks that name it tell how long it had been
    open at least. Looks without a request, or with a doubtful answer, follow the others.
    """
    asked: dict[int, Blocker] = {}
    sure: set[int] = set()
    open_since: dict[int, int] = {}
    for look in looks:
        if _held(look) and look.ask:
            answer = answers.get(look.ask)
            if answer is None:
                since = open_since.setdefault(look.ask, look.at)
                used_ns = int((look.at - since) * limits.ns_per_tick)
                asked[look.ask], _ = weigh(Answer(used_ns), limits)
                continue
            asked[look.ask], is_sure = weigh(answer, limits)
            if is_sure:
                sure.add(look.ask)
    totals: defaultdict[Blocker, int] = defaultdict(int)
    doubtful: defaultdict[Blocker, int] = defaultdict(int)
    for look in looks:
        if _held(look) and look.ask:
            (totals if look.ask in sure else doubtful)[asked[look.ask]] += weight(look)
    unasked = heaviest(totals) or heaviest(doubtful) or Blocker.PYTHON
    known = {ask: asked[ask] for ask in sure}
    return [_label(look, known, unasked) for look in looks]


def _held(look: Look) -> bool:
    return look.evidence & (SAW_ON_CPU | SAW_GIL_HELD) == SAW_ON_CPU | SAW_GIL_HELD


def _label(look: Look, asked: Mapping[int, Blocker], unasked: Blocker) -> Blocker | None:
    if not look.evidence & SAW_ON_CPU:
        if look.evidence & SAW_GIL_WAIT:
            return None
        # What waits and keeps the GIL keeps all threads waiting.
        return Blocker.NATIVE_GIL if look.evidence & SAW_GIL_HELD else Blocker.WAITING
    if not look.evidence & SAW_GIL_HELD:
        return Blocker.NATIVE
    if _collects(look):
        return Blocker.GC
    return asked.get(look.ask, unasked)


def _collects(look: Look | HolderLook) -> bool:
    return look.collection is not None and not any(
        plain_name(frame.function) == DESTRUCTOR for frame in look.frames
    )


def label_holder(look: HolderLook) -> Blocker:
    """Return the class that a look at the thread speaks for which had the GIL.

    Python code that is asked for the GIL waits until another thread has it: one that has computed
    for long without any wait has kept it.
    """
    if _collects(look):
        return Blocker.GC
    if not look.evidence & SAW_ON_CPU or look.evidence & SAW_KEPT:
        return Blocker.NATIVE_GIL
    return Blocker.PYTHON


def judge(looks: Sequence[Look], answers: Mapping[int, Answer], limits: Limits) -> Verdict | None:
    """Return what the looks at one step say together, or None when there are none.

    The class is the one that most of the time speaks for, and the culprit is the line where
    most of that time went. Time spent waiting for the GIL speaks for no class, unless there
    is hardly anything else: then the step waited.
    """
    if not looks:
        return None
    labels = label(looks, answers, limits)
    gil_wait = sum(weight(look) for look, of in zip(looks, labels, strict=True) if of is None)
    totals: defaultdict[Blocker, int] = defaultdict(int)
    for look, of in zip(looks, labels, strict=True):
        if of is not None:
            totals[of] += weight(look)
    blocker: Blocker | None = heaviest(totals)
    if gil_wait > GIL_WAIT_SHARE * sum(map(weight, looks)):
        blocker = None
    speaking = [look for look, of in zip(looks, labels, strict=True) if of == blocker]
    lines = time_by_line(speaking)
    culprit = max(lines, key=lambda frame: lines[frame], default=None)
    return Verdict(
        blocker or Blocker.WAITING,
        culprit,
        lines,
        heaviest_stack(speaking, culprit),
        gil_wait,
        greatest_collection(speaking) if blocker is Blocker.GC else None,
    )


def greatest_collection(looks: Iterable[Look | HolderLook]) -> Collection | None:
    """Return the collection of the highest generation that some looks saw."""
    return max((look.collection for look in looks if look.collection), default=None)


def heaviest(totals: Mapping[Blocker, int]) -> Blocker | None:
    """Return the class with the greatest total; of equal ones the first that Blocker lists."""
    return max((of for of in Blocker if of in totals), key=lambda of: totals[of], default=None)


def time_by_line(looks: Sequence[Look | HolderLook]) -> dict[Frame, int]:
    """Return how long the looks stand for, by the user's own frame."""
    return stacks.sum_by_line((look.own, weight(look)) for look in looks if look.own)


def heaviest_stack(looks: Sequence[Look | HolderLook], own: Frame | None) -> tuple[Frame, ...]:
    """Return the stack of the look that stands for most time at the user's own line."""
    there = [look for look in looks if own and look.own and look.own[:2] == own[:2]]
    return max(there, key=weight).frames if there else ()
