"""Facts of a report in words: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fournil.observe.advice.advisor import Advice
from fournil.observe.advice.headroom import Headroom
from fournil.observe.advice.pools import PoolFinding
from fournil.observe.recording.model import Recording
from fournil.observe.report.findings import Finding
from fournil.observe.report.page import Role, Span
from fournil.observe.words import clean, count, seconds

NAMES = 3
"""So many of one kind are called by their names."""

NOTICED_SHARE = 0.01
"""A run that is shortened by less is as long as before."""

LESS_LATE = 0.9
"""A lag that is not below this part of what it was is as before."""

MOST_TIMES, FEW_TIMES = 100, 10
"""So many times a load is told as a bound, and fewer with a digit more."""

NARROW = 1.15
"""A range whose ends differ by less is shown as one time."""


def span(value: float, range_s: tuple[float, float] | None) -> str:
    """Return a time, or a range of times where it is not known better.

    >>> span(1.0, (0.98, 1.1)), span(1.0, (0.9, 2.0)), span(1.0, None)
    ('1.00 s', '900 ms to 2.00 s', '1.00 s')
    """
    if range_s is None or range_s[1] <= NARROW * range_s[0]:
        return seconds(value)
    return f"{seconds(range_s[0])} to {seconds(range_s[1])}"


def gain(advice: Advice, recording: Recording) -> str:
    """Return what one advice alone would change, in words; "": nothing that is worth it."""
    if advice.gain_s is None or advice.run_s is None or advice.busy_s is None:
        return ""  # what the code would gain that is to change is not known
    told = []
    if advice.gain_s >= NOTICED_SHARE * recording.run_s:
        told.append(f"{seconds(advice.gain_s)}: run {span(advice.run_s, advice.range_s)}")
    late_s = max((loop.lag.p99 for loop in recording.loops), default=0.0)
    if advice.lag_s and advice.lag_s["p99"] < LESS_LATE * late_s:
        told.append(f"lag p99 {seconds(advice.lag_s['p99'])}")
    return ", ".join(told)


def headroom(found: Headroom) -> str:
    """Return how many times its load a loop bears.

    >>> headroom(Headroom(1.25, "loop", 31.4, "threads", ()))
    'bears 1.2 times what came; with this advice 31 times, then all threads are busy'
    >>> headroom(Headroom(320.0, "loop", None, None, ()))
    'bears more than 100 times what came'
    """
    told = f"bears {_times(found.now)} what came{_then(found.now, found.limit)}"
    if found.with_advice is not None and found.limit_with_advice is not None:
        told += f"; with this advice {_times(found.with_advice)}"
        told += _then(found.with_advice, found.limit_with_advice)
    return f"{told}; if {', and '.join(found.assumes)}" if found.assumes else told


FULL = {
    "loop": "",
    "cores": ", then all cores are busy",
    "threads": ", then all threads are busy",
    "workers": ", then all workers are busy",
    "a lock": ", then a lock is always held",
}


def _then(times: float, limit: str) -> str:
    return FULL[limit] if times < MOST_TIMES else ""


def _times(number: float) -> str:
    if number >= MOST_TIMES:
        return f"more than {MOST_TIMES} times"
    return f"{number:.1f} times" if number < FEW_TIMES else f"{number:.0f} times"


def few(names: Sequence[str]) -> str:
    """Return the first few of many names.

    >>> few(["a", "b"]), few(["a", "b", "c", "d"])
    ('a, b', 'a, b, c, …')
    """
    return ", ".join([*names[:NAMES], *["…"][: len(names) > NAMES]])


def outcomes(finding: PoolFinding) -> Iterator[str]:
    """Yield how calls ended that did not return, in words."""
    pool = finding.pool
    for number, what in (
        (pool.raised, "raised"),
        (pool.cancelled, "cancelled"),
        (pool.abandoned, "abandoned"),
        (pool.died, "killed their worker"),
        (pool.in_flight, "did not end"),
    ):
        if number:
            yield f"{number:,} {what}"


def thread(name: str) -> str:
    """Return what a thread is called, in words."""
    return f"thread {name!r}" if name else "another thread"


def when(finding: Finding) -> str:
    """Return when the steps of a finding began, counted from the recording's start."""
    begins = [step.begin_s for step in finding.group.steps]
    first, last = seconds(min(begins)), seconds(max(begins))
    return f"at {first}" if first == last else f"from {first} to {last}"


def delayed(finding: Finding) -> Iterator[Span]:
    """Yield who waited for the steps of a finding, in words; nothing where that is not known."""
    waited = finding.suffering
    if finding.hurt_nobody:
        yield Span("nobody: nothing else was ready")
        return
    if waited.steps == 0:
        return  # what ran after it is not in the recording
    about = "about " if waited.arrived else ""
    text = f"{count(waited.steps, 'step')} by {about}{seconds(waited.total_s)} in all"
    if waited.steps > 1:
        text += f", {seconds(waited.longest_s)} at most"
    yield Span(text)
    if finding.sufferers:
        yield Span(f": {few([clean(name) for name, _ in finding.sufferers])}", Role.DIM)
