"""The rows of a report about a process's loops, those that are alike as one: pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from fournil.observe.recording.model import Thread
from fournil.observe.report.findings import Report
from fournil.observe.report.page import Line, Role, Span
from fournil.observe.report.sheet import INDENT, Sheet
from fournil.observe.words import clean, count, seconds, share

NUMBERS = re.compile(r"\d+")

KINDS = 8
"""So many kinds of loops are shown; the JSON has all."""

EACH = 3
"""So many loops of a kind are shown one by one, where they differ."""

DIFFER = 2.0
"""How many times as late the latest is as the others, where loops differ."""


def loop_rows(report: Report, sheet: Sheet) -> Iterator[Line]:
    """Yield a row for each loop, or for those that are alike."""
    loops, threshold_s = report.recording.loops, report.recording.threshold_s
    if not loops:
        return
    yield from sheet.header("Loop", "busy", "steps", "lag p50", "lag p99", "lag max")
    kinds: defaultdict[str, list[Thread]] = defaultdict(list)
    for loop in loops:
        kinds[NUMBERS.sub("", loop.name)].append(loop)
    ordered = sorted(kinds.values(), key=lambda those: -sum(loop.busy_s for loop in those))
    # A few are told as they came.
    for those in list(kinds.values()) if len(kinds) <= KINDS else ordered[:KINDS]:
        yield from _kind(those, threshold_s, sheet)
    if len(kinds) > KINDS:
        rest = sum(map(len, ordered[KINDS:]))
        yield from sheet.more(f"and {count(rest, 'loop')} more, less busy")


def _kind(loops: Sequence[Thread], threshold_s: float, sheet: Sheet) -> Iterator[Line]:
    first = loops[0]
    if len(loops) == 1:
        yield from sheet.row([Span(_named(first))], *_figures(loops, threshold_s))
        return
    names = {loop.name for loop in loops}
    where = _where(first.name) if len(names) == 1 else f" in {len(names):,} threads"
    if len(names) > 1:
        where += f" like {clean(first.name)}"
    alike = [Span(f"{len(loops):,} loops{where}"), Span("  alike", Role.DIM)]
    late = sorted(loops, key=lambda loop: -loop.lag.max)
    differ = late[0].lag.max >= threshold_s > 0 and late[0].lag.max > DIFFER * late[-1].lag.max
    yield from sheet.row(alike[: 1 if differ else 2], *_figures(loops, threshold_s))
    for loop in late[:EACH] if differ else ():
        yield from sheet.row(
            [Span(" " * INDENT + _named(loop), Role.DIM)], *_figures([loop], threshold_s)
        )
    if differ and len(loops) > EACH:
        yield from sheet.more(" " * INDENT + f"and {len(loops) - EACH:,} that were less late")


def _named(loop: Thread) -> str:
    return f"loop {loop.number}{_where(loop.name)}"


def _where(thread: str) -> str:
    return f" in {clean(thread)}" if thread and thread != "MainThread" else ""


def _figures(loops: Sequence[Thread], threshold_s: float) -> list[Span]:
    ran_s = sum(loop.ran_s for loop in loops)
    latest = max(loop.lag.max for loop in loops)
    return [
        Span(share(min(1.0, sum(loop.busy_s for loop in loops) / ran_s) if ran_s else 0.0)),
        Span(f"{sum(loop.steps for loop in loops):,}"),
        Span(seconds(max(loop.lag.p50 for loop in loops))),
        Span(seconds(max(loop.lag.p99 for loop in loops))),
        Span(seconds(latest), Role.BAD if latest >= threshold_s > 0 else Role.GOOD),
    ]
