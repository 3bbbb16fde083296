"""The lines of a report about what blocked the loops: pure."""

from __future__ import annotations

from collections.abc import Iterator

from fournil.observe.advice.advisor import Advice
from fournil.observe.report import causes, phrases
from fournil.observe.report.callers import LEAST_SHARE, Request
from fournil.observe.report.findings import TASK, Finding, Report
from fournil.observe.report.page import Line, Role, Span
from fournil.observe.report.process_lines import shares_of
from fournil.observe.report.sheet import Sheet
from fournil.observe.words import clean, count, seconds, share

FRAMES = 4
"""So many callers of a line are shown."""

IN_FULL = 5
"""So many groups of blocked steps are shown with all that is known of them."""

GROUPS = 20
"""So many are shown at all; the JSON has all."""

WORST = 3
"""So many are named again at the end of a long report."""


class BlockedLines:
    """Makes the lines about the blocked steps of one report."""

    def __init__(self, report: Report, sheet: Sheet) -> None:
        self._report = report
        self._recording = report.recording
        self._sheet = sheet
        self._serving = [one for one in report.findings if not one.group.at_startup]
        self._at_startup = [one for one in report.findings if one.group.at_startup]

    def section(self) -> Iterator[Line]:
        """Yield what blocked, the worst first."""
        if not self._serving:
            return
        threshold = seconds(self._recording.threshold_s)
        yield from self._sheet.header(
            f"Blocked for {threshold} or longer", "steps", "total", "longest"
        )
        for number, finding in enumerate(self._serving[:IN_FULL]):
            if number:
                yield ()
            yield from self._finding(finding)
        if len(self._serving) > IN_FULL:
            yield ()
        for finding in self._serving[IN_FULL:GROUPS]:
            yield from self._line(finding, Role.PLAIN)
        yield from self._rest(self._serving[GROUPS:])

    def startup(self) -> Iterator[Line]:
        """Yield what blocked before the program served anybody."""
        if not self._at_startup:
            return
        yield from self._sheet.header(
            "At start-up, before the first connection", "steps", "total", "longest"
        )
        for finding in self._at_startup[:IN_FULL]:
            yield from self._line(finding, Role.PLAIN)
        yield from self._rest(self._at_startup[IN_FULL:])

    def in_short(self) -> Iterator[Line]:
        """Yield the worst lines once more, and what would help against the first."""
        for number, finding in enumerate(self._serving[:WORST]):
            # Their columns' names are out of sight.
            group = finding.group
            yield from self._sheet.row(
                self._named(finding, Role.STRONG),
                count(group.count, "step"),
                Span(seconds(group.total_s), Role.STRONG),
            )
            if number == 0 and finding.advice:
                yield from self._sheet.advice(finding.advice.text)
        if (more := len(self._serving) - WORST) > 0:
            yield from self._sheet.more(f"and {count(more, 'line')} more, above")

    def _rest(self, rest: list[Finding]) -> Iterator[Line]:
        if rest:
            total_s = sum(finding.group.total_s for finding in rest)
            steps = sum(finding.group.count for finding in rest)
            more = Span(f"and {count(len(rest), 'line')} more, with less each", Role.DIM)
            yield from self._sheet.row([more], f"{steps:,}", seconds(total_s), "")

    def _finding(self, finding: Finding) -> Iterator[Line]:
        group, detail = finding.group, self._sheet.detail
        yield from self._line(finding)
        if finding.is_collector:
            yield from self._set_off_at(finding)
        else:
            yield from self._sheet.source(group.culprit)
            yield from self._requests(finding)
            yield from self._stack(finding)
        yield from self._runner(finding)
        if group.whole_s - group.total_s >= self._recording.threshold_s:
            told = f"that took {seconds(group.whole_s)} in all, with other lines"
            yield from detail("of steps", Span(told))
        if len(finding.shares) > 1:
            yield from detail("processes", Span(shares_of(finding)))
        yield from detail("when", Span(phrases.when(finding)))
        if delayed := tuple(phrases.delayed(finding)):
            yield from detail("delayed", *delayed)
        if not group.longest.ended:
            state = "still runs" if self._recording.alive else "never ended"
            which = "it" if group.count == 1 else "the longest"
            yield from detail("", Span(f"{which} {state}", Role.BAD))
        for label, text in causes.details(group):
            yield from detail(label, Span(text))
        if finding.advice:
            yield from self._advice(finding.advice)

    def _line(self, finding: Finding, role: Role = Role.STRONG) -> Iterator[Line]:
        group = finding.group
        yield from self._sheet.row(
            self._named(finding, role),
            f"{group.count:,}",
            Span(seconds(group.total_s), role),
            seconds(group.longest_s),
        )

    def _set_off_at(self, finding: Finding) -> Iterator[Line]:
        """Yield the lines at which new objects set the collector off, those most often first."""
        for number, frame in enumerate(causes.lines_of(finding.group)[:FRAMES]):
            place = self._sheet.place(frame)
            yield from self._sheet.detail("" if number else "set off at", *place)

    def _named(self, finding: Finding, role: Role) -> list[Span]:
        group = finding.group
        place = self._sheet.place(group.culprit, role)
        if finding.is_collector:
            place = (Span("the collector of garbage", role),)
        return [self._sheet.blocker(group.blocker), *place]

    def _requests(self, finding: Finding) -> Iterator[Line]:
        found = [one for one in finding.requests if one.share >= LEAST_SHARE]
        for number, request in enumerate(found[:FRAMES]):
            told = list(self._request(request))
            if len(found) > 1:
                told.append(Span(f"  {share(request.share)}", Role.DIM))
            yield from self._sheet.detail("" if number else "serves", *told)
        if (more := len(found) - FRAMES) > 0:
            yield from self._sheet.detail("", Span(f"and {count(more, 'route')} more", Role.DIM))

    def _request(self, request: Request) -> Iterator[Span]:
        handler, route = request.served
        if route:
            yield Span(clean(route), Role.STRONG)
        if handler:
            yield Span(f"{'  ' if route else ''}{clean(handler.function)}  ")
            yield Span(f"{self._sheet.path(handler.file)}:{handler.line}")

    def _stack(self, finding: Finding) -> Iterator[Line]:
        group, ownership = finding.group, self._sheet.ownership
        detail, place = self._sheet.detail, self._sheet.place
        own = [frame for frame in group.frames if ownership.is_own(frame.file)]
        if group.frames and group.frames[0] not in (group.culprit, *own[:1]):
            yield from detail("inside", *place(group.frames[0]))
        found = finding.callers
        for number, caller in enumerate(found[:FRAMES]):
            told = list(place(caller.frame))
            if caller.share < 1:
                told.append(Span(f"  {share(caller.share)}"))
            yield from detail("" if number else "called by", *told)
        if (more := len(found) - FRAMES) > 0:
            yield from detail("", Span(f"and {count(more, 'line')} more", Role.DIM))

    def _runner(self, finding: Finding) -> Iterator[Line]:
        told = clean(finding.who or "not known")
        if finding.others:
            told += f" and {count(finding.others, 'other')}"
        if finding.started_by and not finding.requests:
            how = "started" if finding.runner == TASK else "scheduled"
            told += f", {how} by {clean(finding.started_by)}"
        yield from self._sheet.detail(finding.runner, Span(told))

    def _advice(self, advice: Advice) -> Iterator[Line]:
        yield from self._sheet.advice(advice.text)
        if sum(finding.advice is not None for finding in self._report.findings) == 1:
            return  # the estimate of all advice says the same
        if self._report.processes:
            return  # what one of them gains is not what the program does
        if told := phrases.gain(advice, self._recording):
            yield from self._sheet.detail("gain", Span(told))
