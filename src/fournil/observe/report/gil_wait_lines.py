"""The lines of a report about who kept the GIL from loops between their steps: pure."""

from __future__ import annotations

from collections.abc import Iterator

from fournil.observe.report import causes, phrases
from fournil.observe.report.findings import Report
from fournil.observe.report.page import Line, Role, Span
from fournil.observe.report.sheet import Sheet
from fournil.observe.words import clean, count, seconds

GROUPS = 5
"""So many lines are shown; the JSON has all."""


def gil_wait_lines(report: Report, sheet: Sheet) -> Iterator[Line]:
    """Yield the lines that kept the GIL, the worst first."""
    if not report.gil_waits:
        return
    title = f"Waited for the GIL between steps, {seconds(report.recording.threshold_s)} or longer"
    yield from sheet.header(title, "waits", "total", "longest")
    for number, wait in enumerate(report.gil_waits[:GROUPS]):
        group = wait.group
        if number:
            yield ()
        yield from sheet.row(
            [sheet.blocker(group.blocker), *sheet.place(group.culprit, Role.STRONG)],
            f"{group.count:,}",
            Span(seconds(group.total_s), Role.STRONG),
            seconds(group.longest_s),
        )
        yield from sheet.source(group.culprit)
        yield from sheet.detail("kept by", Span(phrases.thread(clean(wait.thread))))
        for label, text in causes.details(group):
            yield from sheet.detail(label, Span(text))
        if wait.advice:
            yield from sheet.advice(wait.advice)
    if (more := len(report.gil_waits) - GROUPS) > 0:
        yield from sheet.more(f"and {count(more, 'line')} more, with less each")
