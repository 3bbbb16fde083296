"""The lines of a report about a program's processes: pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from fournil.observe.report.findings import Finding, Report
from fournil.observe.report.page import Line, Role, Span, paragraph, row
from fournil.observe.report.titles import Alike, Process
from fournil.observe.words import clean, count, seconds, share, shorten

INDENT = 2

GROUPS = 12
"""So many kinds of processes are shown; the JSON has all."""

EACH = 8
"""So many processes of one kind are shown one by one, where they differ."""

DIFFER = 1.5
"""How many times as busy the busiest is as the least busy one, where processes differ."""

NOTICED_S = 0.1
"""A difference that is smaller is none."""

NAMED = 3
LONGEST_COMMAND = 60


def process_lines(report: Report, width: int, loops: Iterable[Line]) -> Iterator[Line]:
    """Yield a row for each kind of process; `loops` are the rows of a program that has one."""
    if not report.processes:
        yield from loops
        return
    columns = ("busy", "steps", "blocked", "lag p99", "lag max")
    names = [Span(name, Role.DIM) for name in columns]
    yield from row([Span("Processes", Role.HEADING)], names, width)
    threshold_s = report.recording.threshold_s
    for alike in report.processes[:GROUPS]:
        yield from _kind(alike, width, threshold_s)
    if rest := report.processes[GROUPS:]:
        number = sum(len(alike.processes) for alike in rest)
        more = Span(f"and {count(number, 'process', 'processes')} more", Role.DIM)
        yield from row([more], (), width, INDENT)


def _kind(alike: Alike, width: int, threshold_s: float) -> Iterator[Line]:
    processes = alike.processes
    name = [Span(clean(alike.title))]
    if len(processes) == 1:
        name.append(Span(f"  {_called(processes[0])}", Role.DIM))
    else:
        name.append(Span(f"  {len(processes)} alike", Role.DIM))
    yield from row(name, _figures(processes, threshold_s), width, INDENT)
    busy = [sum(loop.busy_s for loop in process.recording.loops) for process in processes]
    if len(busy) > 1 and max(busy) > DIFFER * min(busy) and max(busy) - min(busy) > NOTICED_S:
        order = sorted(zip(busy, processes, strict=True), key=lambda pair: -pair[0])
        for _, process in order[:EACH]:
            own = [Span(_called(process), Role.DIM)]
            yield from row(own, _figures([process], threshold_s), width, 2 * INDENT)
        if (more := len(order) - EACH) > 0:
            yield from row([Span(f"and {more} less busy", Role.DIM)], (), width, 2 * INDENT)


def _called(process: Process) -> str:
    return f"{clean(process.name)} {process.pid}" if process.name else str(process.pid)


def _figures(processes: Iterable[Process], threshold_s: float) -> list[Span]:
    recordings = [process.recording for process in processes]
    loops = [loop for recording in recordings for loop in recording.loops]
    if not loops:
        return [Span("no event loop", Role.DIM)]
    ran_s = sum(loop.ran_s for loop in loops)
    blocked_s = sum(step.duration_s for one in recordings for step in one.blocked)
    latest = max(loop.lag.max for loop in loops)
    return [
        Span(share(sum(loop.busy_s for loop in loops) / ran_s) if ran_s else "0 %"),
        Span(f"{sum(loop.steps for loop in loops):,}"),
        Span(seconds(blocked_s)),
        Span(seconds(max(loop.lag.p99 for loop in loops))),
        Span(seconds(latest), Role.BAD if latest >= threshold_s > 0 else Role.GOOD),
    ]


def shares_of(finding: Finding) -> str:
    """Return what each process had of a finding, in words."""
    totals = [part.total_s for part in finding.shares]
    told = f"in {len(totals)}"
    if max(totals) - min(totals) <= NOTICED_S or max(totals) <= DIFFER * min(totals):
        return f"{told}, {seconds(min(totals))} to {seconds(max(totals))} in each"
    named = [f"{seconds(part.total_s)} in {part.pid}" for part in finding.shares[:NAMED]]
    more = ", …" if len(totals) > NAMED else ""
    return f"{told}: {', '.join(named)}{more}"


def unseen_lines(report: Report, width: int) -> Iterator[Line]:
    """Yield what was not seen: part of the headline, since what is said is not all."""
    if not report.unseen:
        return
    commands = list(dict.fromkeys(map(shlex.join, report.unseen)))
    named = [f"`{shorten(clean(command), LONGEST_COMMAND)}`" for command in commands[:NAMED]]
    if (more := len(commands) - NAMED) > 0:
        named.append(f"{more} more")
    number = count(len(report.unseen), "process", "processes")
    what = f"{number} of the program not seen: {', '.join(named)}"
    yield from paragraph(what, width, 0, Role.BAD, Span(""))
