"""What the sections of a report are made of: rows, details, places in the code. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import NamedTuple

from fournil.evidence.classify import Blocker
from fournil.evidence.ownership import Ownership
from fournil.evidence.stacks import Frame
from fournil.observe.recording.model import Site
from fournil.observe.report.page import WIDTH, Line, Role, Span, labelled, paragraph, row
from fournil.observe.words import clean, shorten

INDENT = 2
CLASS_WIDTH = 12
DETAILS = INDENT + CLASS_WIDTH
LABEL_WIDTH = 11

INSIDE_A_LINE = re.compile(r"(?:\.<locals>\.<(?:genexpr|(?:list|set|dict)comp)>)+$")
"""What stands in a line is called as the function that the line is of."""

SourceLine = Callable[[Frame], str]
"""Returns a frame's line of source code, or nothing where it cannot be read."""


class View(NamedTuple):
    """Where and how a report is shown."""

    width: int = WIDTH
    directory: str = ""  # paths below it are shown relative to it
    source: SourceLine = lambda frame: ""


class Sheet:
    """Makes lines of a report that is shown somewhere."""

    def __init__(self, view: View, ownership: Ownership) -> None:
        self.view = view
        self.ownership = ownership

    def row(self, left: list[Span], *numbers: str | Span) -> Iterator[Line]:
        spans = [Span(number) if isinstance(number, str) else number for number in numbers]
        return row(left, spans, self.view.width, INDENT)

    def more(self, text: str) -> Iterator[Line]:
        """Yield what says that there is more than is shown."""
        return row([Span(text, Role.DIM)], (), self.view.width, INDENT)

    def header(self, title: str, *columns: str) -> Iterator[Line]:
        names = [Span(name, Role.DIM) for name in columns]
        return row([Span(title, Role.HEADING)], names, self.view.width)

    def detail(self, label: str, *spans: Span) -> Iterator[Line]:
        name = Span(f"{label:<{LABEL_WIDTH}}", Role.DIM)
        return labelled(name, spans, self.view.width, DETAILS)

    def advice(self, text: str) -> Iterator[Line]:
        lead = Span("→ ", Role.GOOD)
        return paragraph(clean(text), self.view.width, DETAILS, Role.GOOD, lead)

    def source(self, frame: Frame) -> Iterator[Line]:
        text = clean(self.view.source(frame).strip())
        if text:
            yield Span(" " * DETAILS), Span(shorten(text, self.view.width - DETAILS), Role.CODE)

    def blocker(self, blocker: Blocker | None) -> Span:
        role = Role(blocker.value) if blocker else Role.DIM
        return Span(f"{blocker or 'unknown':<{CLASS_WIDTH}}", role)

    def place(self, frame: Frame, role: Role = Role.PLAIN) -> tuple[Span, ...]:
        path, function = self.path(frame.file), INSIDE_A_LINE.sub("", frame.function)
        return Span(f"{path}:{frame.line}", role), Span(f"  {clean(function)}", Role.DIM)

    def at(self, site: Site) -> tuple[Span, ...]:
        return (Span(f"{self.path(site.file)}:{site.line}", Role.DIM),) if site.file else ()

    def path(self, file: str) -> str:
        path = PurePath(file)
        if self.view.directory and path.is_relative_to(self.view.directory):
            return clean(str(path.relative_to(self.view.directory)))
        return clean(self.ownership.short_path(file))
