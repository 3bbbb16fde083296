"""What a report could not see, and how what it saw was taken, in sentences: pure."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fournil.observe.recording.model import End, Recording
from fournil.observe.words import count, seconds, signal_name
from fournil.record import kinds

UNANSWERED_SHARE = 0.25
"""Fewer requests without an answer, for each look, put no line in doubt."""


def notes(recording: Recording, *, became: bool = False) -> Iterator[str]:
    """Yield what a reader of the report should know about its limits.

    Args:
        recording: that of a process, or of a program as one.
        became: whether what took its place by exec was recorded as well.
    """
    yield from _about_the_end(recording, became=became)
    yield from _about_the_watch(recording)
    yield from _about_room(recording)


def _about_the_end(recording: Recording, *, became: bool) -> Iterator[str]:
    run, end = seconds(recording.run_s), recording.end
    life = f"the recording's last sign of life is at {run}."
    if recording.alive:
        yield f"The program still runs; this is what it did in its first {run}."
    elif end is None:
        if not recording.ended:
            yield f"The program was killed, or ended by os._exit or exec; {life}"
    elif end.replaced:
        told = f"At {run} the program was replaced by another one (exec), which was not recorded"
        if became:
            told = "The program was replaced by another one (exec), which is among its processes"
        yield f"{told} and{_how(end)}." if _how(end) else f"{told}."
    elif recording.ended:
        if end.signal or end.status:
            yield f"The program{_how(end)}."
    elif end.signal:
        yield f"The program{_how(end)}; {life}"
    else:
        yield f"The program ended by os._exit({end.status}), or by exit() in C code; {life}"


def _how(end: End) -> str:
    if end.signal:
        return f" was killed by {signal_name(end.signal)}"
    return "" if end.status is None else f" ended with status {end.status}"


def _about_the_watch(recording: Recording) -> Iterator[str]:
    unseen = recording.unseen
    unknown = sum(step.blocker is None for step in recording.blocked)
    if unseen.watch_error and (unknown or not recording.looks):
        yield f"The watch could not look: {_why_not(unseen.watch_error)}."
    elif unknown:
        yield f"{count(unknown, 'blocked step')} ended before the watch could look."
    if unseen.signal_lost:
        yield (
            f"The program took {signal_name(unseen.signal_lost)} from the watch, which from then "
            "on read the stacks of running code while they changed: a few lines may be others."
        )
    if unseen.unanswered > UNANSWERED_SHARE * recording.looks:
        yield (
            f"{count(unseen.unanswered, 'request')} for a stack got no answer in time: the machine"
            " was busy, or code in C ran long, and a few lines may be others."
        )


def _why_not(error: int) -> str:
    reason = os.strerror(error & (kinds.WATCH_NO_THREADS - 1))
    if error & kinds.WATCH_NO_THREADS:
        return f"it got no thread of its own ({reason})"
    return f"it has to read about threads in /proc, and cannot ({reason})"


def _about_room(recording: Recording) -> Iterator[str]:
    unseen = recording.unseen
    if unseen.events:
        yield (
            f"The {count(unseen.events, 'oldest event')} were overwritten: totals are whole, "
            "estimates rest on what is left. A larger recording holds more: `--size` of "
            "`fournil run`, `size` of a Recorder."
        )
    if unseen.blocked:
        more = count(unseen.blocked, "more blocked step")
        yield f"{more} counted and not shown: the ring of samples had no room."
    if unseen.debugged:
        yield f"{count(unseen.debugged, 'step')} in which a debugger stood: not shown as blocked."
    if unseen.samples:
        yield f"The {count(unseen.samples, 'oldest sample')} of the watch were overwritten."
    if unseen.tasks:
        yield f"{count(unseen.tasks, 'task')} found no room: known by their code, not by name."
    if unseen.sites:
        yield f"{count(unseen.sites, 'piece')} of code found no room and are shown as one."
    if unseen.texts:
        yield f"{count(unseen.texts, 'name or stack', 'names and stacks')} found no room."
    if unseen.loops:
        yield f"{count(unseen.loops, 'loop')} found no room and were not recorded."
    if unseen.closed_loops:
        yield f"{count(unseen.closed_loops, 'closed loop')} gave room to others: not shown."
    if unseen.calls:
        yield (
            f"The {count(unseen.calls, 'oldest call')} of pools were overwritten: totals are "
            "whole, how many ran at a time rests on what is left."
        )
    if unseen.threads:
        yield f"{count(unseen.threads, 'thread')} found no room and were not watched."
    if unseen.workers:
        yield f"{count(unseen.workers, 'worker')} of pools found no room and were not recorded."
    if unseen.pools:
        yield f"{count(unseen.pools, 'pool')} found no room and were not recorded."
    if unseen.closed_pools:
        yield f"{count(unseen.closed_pools, 'closed pool')} gave room to others: not shown."
    if unseen.forks:
        children = count(unseen.forks, "forked child", "forked children")
        if recording.program:
            yield f"{children} ran no event loop, or another program: not recorded."
        else:
            were = "was" if unseen.forks == 1 else "were"
            yield f"{children} of the program {were} not recorded."
