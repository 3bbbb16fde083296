"""The sections of a report, as lines of a `page`: pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fournil.evidence.ownership import Ownership
from fournil.observe.advice.pools import PoolFinding, title as pool_title
from fournil.observe.recording.model import Site
from fournil.observe.report import phrases
from fournil.observe.report.blocked_lines import BlockedLines
from fournil.observe.report.endings import Ending, Unfinished
from fournil.observe.report.findings import HotSite, Report
from fournil.observe.report.gil_wait_lines import gil_wait_lines
from fournil.observe.report.loop_rows import loop_rows
from fournil.observe.report.page import (
    LEAST_WIDTH,
    WIDTH,
    Line,
    Role,
    Span,
    labelled,
    paragraph,
    row,
)
from fournil.observe.report.process_lines import process_lines, unseen_lines
from fournil.observe.report.sheet import INDENT, Sheet, View
from fournil.observe.report.titles import title_of
from fournil.observe.report.verdict import verdict
from fournil.observe.words import clean, count, seconds, share

ENDING_WIDTH = 25

GROUPS = 20
"""So many pools, and lines of a script, are shown; the JSON has all."""

LEFTOVERS = 12
"""So many lines are shown of loose ends; the JSON has all."""

SCREEN = 24
"""A report of more lines ends with what matters most: its beginning may be out of sight."""


def lines_of(report: Report, view: View) -> list[Line]:
    """Return a report as lines."""
    sections = _Sections(report, view._replace(width=max(LEAST_WIDTH, min(WIDTH, view.width))))
    lines: list[Line] = []
    for section in sections.in_order():
        part = list(section)
        if part:
            lines += [(), *part]
    if len(lines) > SCREEN and (last := list(sections.in_short())):
        lines += [(), *last]
    return [*lines, ()]


class _Sections:
    """Makes the sections of one report."""

    def __init__(self, report: Report, view: View) -> None:
        self._report = report
        self._recording = report.recording
        self._view = view
        self._sheet = Sheet(view, Ownership(report.recording.meta))
        self._blocked = BlockedLines(report, self._sheet)

    def in_order(self) -> Iterator[Iterator[Line]]:
        yield self._title()
        loops = loop_rows(self._report, self._sheet)
        yield process_lines(self._report, self._view.width, loops)
        yield self._blocked.section()
        yield gil_wait_lines(self._report, self._sheet)
        yield self._estimate()
        yield self._headroom()
        yield self._blocked.startup()
        yield self._pools()
        yield self._script()
        yield self._hot_sites()
        yield self._leftovers()
        yield self._notes()

    def in_short(self) -> Iterator[Line]:
        """Yield the verdict and the worst lines again."""
        worst = list(self._blocked.in_short())
        if worst:
            yield from self._verdict()
            yield from worst

    # Each section yields its lines, or none when it has nothing to say.

    def _title(self) -> Iterator[Line]:
        recording, meta = self._recording, self._recording.meta
        name = Span(clean(title_of(meta) or f"process {recording.pid}"), Role.TITLE)
        told = f"ran {seconds(recording.run_s)}"
        if meta.python:
            told += clean(f" on {meta.implementation or 'Python'} {meta.python}")
        if recording.loops:
            told += f", {count(recording.tasks_born, 'task')}"
        if self._report.processes:
            number = sum(len(alike.processes) for alike in self._report.processes)
            told += f", {count(number - 1, 'child process', 'child processes')}"
        yield Span("fournil  ", Role.DIM), name, Span(f"  {told}", Role.DIM)
        yield from self._verdict()
        yield from unseen_lines(self._report, self._view.width)

    def _verdict(self) -> Iterator[Line]:
        return labelled(Span(""), verdict(self._report), self._view.width, 0)

    def _estimate(self) -> Iterator[Line]:
        estimate = self._report.estimate
        if estimate is None:
            return
        recording, loops = self._recording, self._recording.loops
        yield from self._sheet.header("Estimate", "run time", "busy", "lag p99", "lag max")
        yield from self._sheet.row(
            [Span("as it is")],
            seconds(recording.run_s),
            seconds(sum(loop.busy_s for loop in loops)),
            seconds(max((loop.lag.p99 for loop in loops), default=0.0)),
            seconds(max((loop.lag.max for loop in loops), default=0.0)),
        )
        then = (estimate.busy_s, estimate.lag.p99, estimate.lag.max)
        roughly = ", roughly" if estimate.coarse else ""
        mended = Span(f"with this advice{roughly}", Role.GOOD)
        run = phrases.span(estimate.run_s, estimate.range_s)
        yield from self._sheet.row(
            [mended], *(Span(text, Role.GOOD) for text in (run, *map(seconds, then)))
        )
        if estimate.assumes and run != seconds(estimate.run_s):
            told = f"the longer, if {', or '.join(estimate.assumes)}"
            yield from paragraph(clean(told), self._view.width, INDENT, Role.DIM, Span(""))

    def _headroom(self) -> Iterator[Line]:
        if found := self._report.headroom:
            told = phrases.headroom(found)
            lead = Span("Headroom  ", Role.STRONG)
            yield from paragraph(told, self._view.width, 0, Role.PLAIN, lead)

    def _pools(self) -> Iterator[Line]:
        found = self._report.pools
        if not found:
            return
        yield from self._sheet.header(
            "Pools, with a call's mean times", "busy", "calls", "waited", "travelled", "ran"
        )
        for number, finding in enumerate(found[:GROUPS]):
            if number:
                yield ()
            yield from self._pool(finding)
        if (more := len(found) - GROUPS) > 0:
            text = Span(f"and {count(more, 'pool')} more, with less each", Role.DIM)
            yield from row([text], (), self._view.width, INDENT)

    def _pool(self, finding: PoolFinding) -> Iterator[Line]:
        pool, ran = finding.pool, max(1, finding.pool.ran)
        yield from self._sheet.row(
            [
                Span(clean(pool_title(pool)), Role.STRONG),
                Span(f"  {count(pool.workers, 'worker')}", Role.DIM),
            ],
            share(pool.busy_share),
            f"{pool.calls:,}",
            seconds(pool.waited_s / ran),
            seconds(pool.travelled_s / ran),
            seconds(pool.inside_s / ran),
        )
        if outcomes := ", ".join(phrases.outcomes(finding)):
            yield from self._sheet.detail("of them", Span(outcomes))
        if finding.worth_it is not None:
            spent = f"calls ran for {seconds(pool.inside_s)} in all and travelled for "
            spent += seconds(pool.travelled_s)
            if finding.worth_it:
                yield from self._sheet.detail("worth it", Span(spent))
            else:
                yield from self._sheet.detail("", Span("not worth it: ", Role.BAD), Span(spent))
        if finding.advice:
            yield from self._sheet.advice(finding.advice.text)
            if finding.advice.gain_s >= self._recording.threshold_s:
                yield from self._sheet.detail(
                    "gain", Span(f"up to {seconds(finding.advice.gain_s)}")
                )

    def _script(self) -> Iterator[Line]:
        script, threshold_s = self._recording.script, self._recording.threshold_s
        if script is None:
            return
        if not script.lines and self._recording.other_loops:
            return
        if not script.lines:
            yield (
                Span("No line took long", Role.GOOD),
                Span(f": none ran for {seconds(threshold_s)} or longer"),
            )
            return
        yield from self._sheet.header(
            f"Lines that took {seconds(threshold_s)} or longer", "total", "share"
        )
        for line in script.lines[:GROUPS]:
            label = self._sheet.blocker(line.blocker)
            part = line.total_s / self._recording.run_s if self._recording.run_s else 0.0
            yield from self._sheet.row(
                [label, *self._sheet.place(line.culprit)],
                Span(seconds(line.total_s), Role.STRONG),
                share(part),
            )
            yield from self._sheet.source(line.culprit)

    def _hot_sites(self) -> Iterator[Line]:
        hot_sites = self._report.hot_sites
        if not hot_sites:
            return
        loops = "loops" if len(self._recording.loops) > 1 else "loop"
        columns = (f"of {loops}", "total", "steps", "longest")
        yield from self._sheet.header(f"Took most of the {loops}", *columns)
        for hot in hot_sites:
            site = hot.site
            name = Span(self._called(hot))
            yield from self._sheet.row(
                [name, *self._sheet.at(site)],
                share(hot.share),
                seconds(site.busy_s),
                f"{site.steps:,}",
                seconds(site.longest_s),
            )

    def _called(self, hot: HotSite) -> str:
        site = hot.site
        if not site.is_coroutine:
            return f"{clean(site.function)}()  "
        if site.tasks == 1 and hot.task:
            return f"{clean(hot.task.name)} ({clean(site.function)})  "
        return f"{clean(site.function)}, {count(site.tasks, 'task')}  "

    def _leftovers(self) -> Iterator[Line]:
        report = self._report
        lines = [
            *(
                self._leftover("never awaited", site, "", count(site.never_awaited, "coroutine"))
                for site in report.never_awaited
            ),
            *(
                self._leftover(
                    "never retrieved", site, "", count(site.never_retrieved, "exception")
                )
                for site in report.never_retrieved
            ),
            *(self._unfinished(group) for group in report.unfinished),
        ]
        if lines:
            yield (Span("Loose ends", Role.HEADING),)
            yield from chain.from_iterable(lines[:LEFTOVERS])
        if (more := len(lines) - LEFTOVERS) > 0:
            text = f"and {count(more, 'line')} more"
            yield from row([Span(text, Role.DIM)], (), self._view.width, INDENT)
        if any(group.ending is Ending.CANCELLED for group in report.unfinished):
            text = "cancelled at the end: still pending when the main task of the loop had ended"
            yield from row([Span(text, Role.DIM)], (), self._view.width, INDENT)

    def _leftover(self, what: str, site: Site | None, names: str, number: str) -> Iterator[Line]:
        function = clean(site.function) if site else "not known"
        place = self._sheet.at(site) if site else ()
        label = Span(f"{what:<{ENDING_WIDTH}}")
        left = [label, Span(f"{function}  "), *place, Span(f"  {names}", Role.DIM)]
        return self._sheet.row(left, number)

    def _unfinished(self, group: Unfinished) -> Iterator[Line]:
        names = phrases.few([clean(task.name) for task in group.tasks])
        number = count(len(group.tasks), "task")
        return self._leftover(self._ending(group.ending), group.site, names, number)

    def _ending(self, ending: Ending) -> str:
        if ending is not Ending.PENDING:
            return ending.value
        if self._recording.alive:
            return "pending now"
        end = self._recording.end
        if end is not None and end.replaced:
            return "pending at the exec"
        was_killed = not self._recording.ended and end is not None and end.signal is not None
        return "pending when killed" if was_killed else "pending at the end"

    def _notes(self) -> Iterator[Line]:
        for note in self._report.notes:
            yield from paragraph(note, self._view.width, 0, Role.DIM, Span("· ", Role.DIM))
