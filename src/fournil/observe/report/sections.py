"""The sections of a report, as lines of a `page`: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import PurePath
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame
from fournil.observe.advice.advisor import Advice
from fournil.observe.advice.pools import PoolFinding, title as pool_title
from fournil.observe.recording.model import Site
from fournil.observe.report import phrases
from fournil.observe.report.endings import Ending, Unfinished
from fournil.observe.report.findings import TASK, Finding, HotSite, Report
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
from fournil.observe.report.process_lines import process_lines, shares_of, unseen_lines
from fournil.observe.report.titles import title_of
from fournil.observe.words import clean, count, seconds, share, shorten

INDENT = 2
CLASS_WIDTH = 12
DETAILS = INDENT + CLASS_WIDTH
LABEL_WIDTH = 11
ENDING_WIDTH = 25

FRAMES = 4
"""So many of the user's own lines are shown of one stack, besides the culprit's."""


GROUPS = 20
"""So many groups of blocked steps, and of a script's lines, are shown; the JSON has all."""

LEFTOVERS = 12
"""So many lines are shown of loose ends; the JSON has all."""

SCREEN = 24
"""A report of more lines ends with what matters most: its beginning may be out of sight."""

SourceLine = Callable[[Frame], str]
"""Returns a frame's line of source code, or nothing where it cannot be read."""


class View(NamedTuple):
    """Where and how a report is shown."""

    width: int = WIDTH
    directory: str = ""  # paths below it are shown relative to it
    source: SourceLine = lambda frame: ""


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
        self._ownership = Ownership(report.recording.meta)

    def in_order(self) -> Iterator[Iterator[Line]]:
        yield self._title()
        yield process_lines(self._report, self._view.width, self._loops())
        yield self._blocked()
        yield self._estimate()
        yield self._headroom()
        yield self._pools()
        yield self._script()
        yield self._hot_sites()
        yield self._leftovers()
        yield self._notes()

    def in_short(self) -> Iterator[Line]:
        """Yield the verdict and the worst line again."""
        if not self._report.findings:
            return
        finding = self._report.findings[0]
        yield self._verdict()
        yield from self._line(finding)
        if finding.advice:
            yield from self._advice_text(finding.advice)

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
        yield self._verdict()
        yield from unseen_lines(self._report, self._view.width)

    def _verdict(self) -> Line:
        recording = self._recording
        threshold = seconds(recording.threshold_s)
        if not recording.loops and not recording.blocked:
            return (Span(self._without_loops(), Role.DIM),)
        if steps := recording.blocked:
            ran_s = sum(loop.ran_s for loop in recording.loops)
            total_s = sum(step.duration_s for step in steps)
            loops, they = ("loops", "they") if len(recording.loops) > 1 else ("loop", "it")
            told = f"{count(len(steps), 'step')} blocked the {loops} for {seconds(total_s)}"
            of = (
                f", {share(total_s / ran_s)} of the {seconds(ran_s)} that {they} ran"
                if ran_s
                else ""
            )
            return Span(told, Role.BAD), Span(of)
        if recording.unseen.blocked:
            return (Span(f"{count(recording.unseen.blocked, 'step')} blocked the loop", Role.BAD),)
        ok = Span("Nothing blocked the loop", Role.GOOD)
        return ok, Span(f": no step ran for {threshold} or longer")

    def _without_loops(self) -> str:
        lines = self._recording.script.lines if self._recording.script else ()
        if any(self._ownership.runs_loop_of_asyncio(line.frames) for line in lines):
            return (
                "A loop of asyncio's own ran, which is not recorded: run it by `fournil.run`, or"
                " the program by `fournil run`"
            )
        return "No event loop ran"

    def _loops(self) -> Iterator[Line]:
        loops = self._recording.loops
        if not loops:
            return
        yield from self._header("Loop", "busy", "steps", "lag p50", "lag p99", "lag max")
        for loop in loops:
            late = loop.lag.max >= self._recording.threshold_s > 0
            name = f"loop {loop.number}"
            if loop.name and loop.name != "MainThread":
                name += f" in {clean(loop.name)}"
            yield from self._row(
                [Span(name)],
                share(loop.busy_share),
                f"{loop.steps:,}",
                seconds(loop.lag.p50),
                seconds(loop.lag.p99),
                Span(seconds(loop.lag.max), Role.BAD if late else Role.GOOD),
            )

    def _blocked(self) -> Iterator[Line]:
        findings = self._report.findings
        if not findings:
            return
        threshold = seconds(self._recording.threshold_s)
        yield from self._header(f"Blocked for {threshold} or longer", "steps", "total", "longest")
        for number, finding in enumerate(findings[:GROUPS]):
            if number:
                yield ()
            yield from self._finding(finding)
        if rest := findings[GROUPS:]:
            yield ()
            total_s = sum(finding.group.total_s for finding in rest)
            steps = sum(finding.group.count for finding in rest)
            more = Span(f"and {count(len(rest), 'line')} more, with less each", Role.DIM)
            yield from self._row([more], f"{steps:,}", seconds(total_s), "")

    def _finding(self, finding: Finding) -> Iterator[Line]:
        group = finding.group
        yield from self._line(finding)
        yield from self._source(group.culprit)
        yield from self._stack(finding)
        yield from self._runner(finding)
        if group.whole_s - group.total_s >= self._recording.threshold_s:
            told = f"that took {seconds(group.whole_s)} in all, with other lines"
            yield from self._detail("of steps", Span(told))
        if len(finding.shares) > 1:
            yield from self._detail("processes", Span(shares_of(finding)))
        yield from self._detail("when", Span(phrases.when(finding)))
        if delayed := tuple(phrases.delayed(finding)):
            yield from self._detail("delayed", *delayed)
        if not group.longest.ended:
            state = "still runs" if self._recording.alive else "never ended"
            which = "it" if group.count == 1 else "the longest"
            yield from self._detail("", Span(f"{which} {state}", Role.BAD))
        if group.waited_for_gil:
            waited = seconds(group.gil_wait_s)
            yield from self._detail("GIL", Span(f"waited {waited} for it: another thread held it"))
        if finding.advice:
            yield from self._advice(finding.advice)

    def _line(self, finding: Finding) -> Iterator[Line]:
        group = finding.group
        label = Span(f"{group.blocker or 'unknown':<{CLASS_WIDTH}}", _role(group.blocker))
        yield from self._row(
            [label, *self._place(group.culprit, Role.STRONG)],
            f"{group.count:,}",
            Span(seconds(group.total_s), Role.STRONG),
            seconds(group.longest_s),
        )

    def _advice_text(self, advice: Advice) -> Iterator[Line]:
        lead = Span("→ ", Role.GOOD)
        return paragraph(clean(advice.text), self._view.width, DETAILS, Role.GOOD, lead)

    def _advice(self, advice: Advice) -> Iterator[Line]:
        yield from self._advice_text(advice)
        if advice.gain_s is None or advice.run_s is None or advice.busy_s is None:
            return  # what the code would gain that is to change is not known
        if sum(finding.advice is not None for finding in self._report.findings) == 1:
            return  # the estimate of all advice says the same
        if self._report.processes:
            return  # what one of them gains is not what the program does
        gain = f"{seconds(advice.gain_s)}: run {phrases.span(advice.run_s, advice.range_s)}"
        busy = f"loop busy {seconds(advice.busy_s)}"
        lag = f", lag p99 {seconds(advice.lag_s['p99'])}" if advice.lag_s else ""
        yield from self._detail("gain", Span(f"{gain}, {busy}{lag}"))

    def _stack(self, finding: Finding) -> Iterator[Line]:
        frames, culprit = finding.group.frames, finding.group.culprit
        own = [frame for frame in frames if self._ownership.is_own(frame.file)]
        if frames and frames[0] not in (culprit, *own[:1]):
            yield from self._detail("inside", *self._place(frames[0]))
        callers = own[1:]
        for number, frame in enumerate(callers[:FRAMES]):
            yield from self._detail("" if number else "called by", *self._place(frame))
        if (more := len(callers) - FRAMES) > 0:
            yield from self._detail("", Span(f"and {count(more, 'line')} more", Role.DIM))

    def _runner(self, finding: Finding) -> Iterator[Line]:
        told = clean(finding.who or "not known")
        if finding.others:
            told += f" and {count(finding.others, 'other')}"
        if finding.started_by:
            how = "started" if finding.runner == TASK else "scheduled"
            told += f", {how} by {clean(finding.started_by)}"
        yield from self._detail(finding.runner, Span(told))

    def _estimate(self) -> Iterator[Line]:
        estimate = self._report.estimate
        if estimate is None:
            return
        recording, loops = self._recording, self._recording.loops
        yield from self._header("Estimate", "run time", "busy", "lag p99", "lag max")
        yield from self._row(
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
        yield from self._row(
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
        yield from self._header(
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
        yield from self._row(
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
            yield from self._detail("of them", Span(outcomes))
        if finding.worth_it is not None:
            spent = f"calls ran for {seconds(pool.inside_s)} in all and travelled for "
            spent += seconds(pool.travelled_s)
            if finding.worth_it:
                yield from self._detail("worth it", Span(spent))
            else:
                yield from self._detail("", Span("not worth it: ", Role.BAD), Span(spent))
        if finding.advice:
            lead = Span("→ ", Role.GOOD)
            text = finding.advice.text
            yield from paragraph(clean(text), self._view.width, DETAILS, Role.GOOD, lead)
            if finding.advice.gain_s >= self._recording.threshold_s:
                yield from self._detail("gain", Span(f"up to {seconds(finding.advice.gain_s)}"))

    def _script(self) -> Iterator[Line]:
        script, threshold_s = self._recording.script, self._recording.threshold_s
        if script is None:
            return
        if not script.lines:
            yield (
                Span("No line took long", Role.GOOD),
                Span(f": none ran for {seconds(threshold_s)} or longer"),
            )
            return
        yield from self._header(
            f"Lines that took {seconds(threshold_s)} or longer", "total", "share"
        )
        for line in script.lines[:GROUPS]:
            label = Span(f"{line.blocker:<{CLASS_WIDTH}}", _role(line.blocker))
            part = line.total_s / self._recording.run_s if self._recording.run_s else 0.0
            yield from self._row(
                [label, *self._place(line.culprit)],
                Span(seconds(line.total_s), Role.STRONG),
                share(part),
            )
            yield from self._source(line.culprit)

    def _hot_sites(self) -> Iterator[Line]:
        hot_sites = self._report.hot_sites
        if not hot_sites:
            return
        loops = "loops" if len(self._recording.loops) > 1 else "loop"
        columns = (f"of {loops}", "total", "steps", "longest")
        yield from self._header(f"Took most of the {loops}", *columns)
        for hot in hot_sites:
            site = hot.site
            name = Span(self._called(hot))
            yield from self._row(
                [name, *self._at(site)],
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
        place = self._at(site) if site else ()
        label = Span(f"{what:<{ENDING_WIDTH}}")
        left = [label, Span(f"{function}  "), *place, Span(f"  {names}", Role.DIM)]
        return self._row(left, number)

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

    # What the sections are made of.

    def _row(self, left: list[Span], *numbers: str | Span) -> Iterator[Line]:
        spans = [Span(number) if isinstance(number, str) else number for number in numbers]
        return row(left, spans, self._view.width, INDENT)

    def _header(self, title: str, *columns: str) -> Iterator[Line]:
        names = [Span(name, Role.DIM) for name in columns]
        return row([Span(title, Role.HEADING)], names, self._view.width)

    def _detail(self, label: str, *spans: Span) -> Iterator[Line]:
        name = Span(f"{label:<{LABEL_WIDTH}}", Role.DIM)
        return labelled(name, spans, self._view.width, DETAILS)

    def _source(self, frame: Frame) -> Iterator[Line]:
        text = clean(self._view.source(frame).strip())
        if text:
            yield Span(" " * DETAILS), Span(shorten(text, self._view.width - DETAILS), Role.CODE)

    def _place(self, frame: Frame, role: Role = Role.PLAIN) -> tuple[Span, ...]:
        path = self._path(frame.file)
        return Span(f"{path}:{frame.line}", role), Span(f"  {clean(frame.function)}", Role.DIM)

    def _at(self, site: Site) -> tuple[Span, ...]:
        return (Span(f"{self._path(site.file)}:{site.line}", Role.DIM),) if site.file else ()

    def _path(self, file: str) -> str:
        path = PurePath(file)
        if self._view.directory and path.is_relative_to(self._view.directory):
            return clean(str(path.relative_to(self._view.directory)))
        return clean(self._ownership.short_path(file))


def _role(blocker: Blocker | None) -> Role:
    return Role(blocker.value) if blocker else Role.DIM
