"""Gives the roles on a page their looks: coloured on a terminal, plain elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from fournil.observe.report.page import WIDTH, Line, Role

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {
    Role.TITLE: "bold",
    Role.HEADING: "bold",
    Role.STRONG: "bold",
    Role.DIM: "dim",
    Role.CODE: "italic",
    Role.GOOD: "green",
    Role.BAD: "red",
    Role.WAITING: "bold yellow",
    Role.PYTHON: "bold cyan",
    Role.NATIVE: "bold bright_blue",
    Role.NATIVE_GIL: "bold magenta",
    Role.GC: "bold bright_cyan",
    Role.STARVED: "bold white",
}

PLAIN_FORMS = str.maketrans({"→": "->", "…": "...", "·": "-", "µ": "u"})
"""For files whose encoding has no such characters."""


def is_terminal(file: TextIO) -> bool:
    """Tell whether a file shows colours: a terminal, or a log whose FORCE_COLOR says so."""
    if os.environ.get("FORCE_COLOR"):
        return True
    try:
        return file.isatty()
    except (AttributeError, ValueError):
        return False


def terminal(file: TextIO) -> Console:
    """Return rich's view of the terminal behind `file`."""
    from rich.console import Console

    return Console(file=file, highlight=False, soft_wrap=True)


def plain(lines: Sequence[Line]) -> str:
    """Return a page as text."""
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)


def write_plain(lines: Sequence[Line], file: TextIO) -> None:
    """Write a page to a file, in characters that its encoding has."""
    text = plain(lines)
    encoding = getattr(file, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN_FORMS).encode(encoding, "backslashreplace").decode(encoding)
    file.write(text)


def coloured(lines: Sequence[Line]) -> Text:
    """Return a page as rich's text."""
    from rich.text import Text

    page = Text()
    for line in lines:
        row = Text()
        for text, role in line:
            row.append(text, STYLES.get(role))
        row.rstrip()
        page.append_text(row).append("\n")
    return page


def write(lines: Sequence[Line], file: TextIO, console: Console | None) -> None:
    """Write a page: with `console` in colours, else plain to `file`."""
    if console:
        console.print(coloured(lines), end="")
    else:
        write_plain(lines, file)


def width_of(console: Console | None) -> int:
    """Return how many columns there are: a terminal's, else those that COLUMNS tells."""
    if console:
        return console.width
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() else WIDTH
