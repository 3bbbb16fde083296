"""Why steps took so long, besides their lines, in words: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

from fournil.evidence.classify import Blocker
from fournil.evidence.stacks import Frame
from fournil.observe.recording.hindrances import Lack
from fournil.observe.recording.model import BlockedGroup, Recording
from fournil.observe.report import phrases
from fournil.observe.words import clean, count, seconds

LEAST_SHARE = 0.1
"""A cause that took less than this share of a group is not named."""

MOSTLY = 0.5

OLDEST = 2
"""The generation of all objects that live on."""

KERNEL = "copying what it reads or writes, or pages of memory that are new or of a file"

FULL = 0.9
"""A loop that is busy for this share of its time is full."""

Detail = tuple[str, str]
"""A label and what it says."""


def details(group: BlockedGroup) -> Iterator[Detail]:
    """Yield what kept the steps of a group from running, or had them take longer."""
    if group.blocker is None:
        reasons = dict.fromkeys(step.unlooked for step in group.steps if step.unlooked)
        for reason in reasons:
            yield "not seen", str(reason.value)
    if group.collection is not None:
        yield "collector", collector(group)
    lack = group.lack
    if lack.total_s >= LEAST_SHARE * group.total_s:
        yield "no CPU", lacked(lack, group.total_s)
    if group.waited_for_gil and group.blocker is Blocker.WAITING:
        yield "GIL", held(group)
    ran_s = group.total_s - lack.total_s
    if group.kernel_s >= MOSTLY * ran_s > 0 and group.blocker is not Blocker.STARVED:
        yield "kernel", f"on the CPU in the kernel for {seconds(group.kernel_s)}: {KERNEL}"


def collector(group: BlockedGroup) -> str:
    """Return what the collector of garbage did."""
    found = group.collection
    if found is None:
        return ""
    told = f"generation {found.generation}"
    if found.objects and found.generation == OLDEST:
        told += f", {count(found.objects, 'object')} to look through, about"
    return told


def held(group: BlockedGroup) -> str:
    """Return who had the GIL meanwhile."""
    told = f"waited {seconds(group.gil_wait_s)} for it: "
    if not group.holder:
        return f"{told}another thread held it"
    name, culprit = group.holder
    place = f"{clean(PurePath(culprit.file).name)}:{culprit.line}, {clean(culprit.function)}"
    return f"{told}{phrases.thread(clean(name))} held it, at {place}"


def lines_of(group: BlockedGroup) -> list[Frame]:
    """Return the lines at which the steps of a group were seen, the most frequent first."""
    return [frame for frame, _ in Counter(step.culprit for step in group.steps).most_common()]


def lacked(lack: Lack, total_s: float) -> str:
    """Return for how long steps could not run, and why.

    >>> lacked(Lack(3.1), 4.3)
    'for 3.10 s of 4.30 s it wanted a CPU and had none: the machine was busy'
    >>> lacked(Lack(3.1, 3.0), 4.3)
    'for 3.10 s of 4.30 s it wanted a CPU and had none: its quota was used up'
    >>> lacked(Lack(0.0, 0.0, 2.0), 2.1)
    'for 2.00 s of 2.10 s the process was stopped'
    """
    parts = []
    if lack.wanted_s:
        why = "the machine was busy"
        if lack.throttled_s >= MOSTLY * lack.wanted_s:
            why = "its quota was used up"
        of = f"for {seconds(lack.wanted_s)} of {seconds(total_s)}"
        parts.append(f"{of} it wanted a CPU and had none: {why}")
    if lack.stopped_s:
        parts.append(f"for {seconds(lack.stopped_s)} of {seconds(total_s)} the process was stopped")
    return "; ".join(parts)


def without_blocked_steps(recording: Recording) -> str | None:
    """Return what kept loops late where none of their steps blocked; None: nothing did."""
    threshold_s = recording.threshold_s
    starved = [step for step in recording.blocked if step.blocker is Blocker.STARVED]
    if recording.gil_waits:
        total_s = sum(wait.duration_s for wait in recording.gil_waits)
        waits = count(len(recording.gil_waits), "time")
        return (
            f"No step blocked the loop, but other threads kept the GIL: it waited {waits}, for "
            f"{seconds(total_s)}"
        )
    lack = ""
    lacked_s = sum(step.lack.total_s for step in starved if step.lack)
    if starved:
        lack = f"{count(len(starved), 'step')} got no CPU for {seconds(lacked_s)}"
    late = [loop for loop in recording.loops if loop.lag.p99 >= threshold_s > 0]
    if full := [loop for loop in late if loop.busy_s - lacked_s >= FULL * loop.ran_s]:
        longest_s = max(loop.lag.max for loop in full)
        told = f"no step blocked it, but what was ready waited up to {seconds(longest_s)}"
        return f"The loop was full: {told} for its turn" + (f"; {lack}" if lack else "")
    return f"Nothing of the program's blocked the loop: {lack}" if lack else None
