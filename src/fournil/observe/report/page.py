"""Lines of text whose pieces have roles: what reports are made of before they get colours.

The coloured and the plain form of a report are the same page, so they say the same things
in the same places.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

WIDTH = 100
LEAST_WIDTH = 72
NUMBER_WIDTH = 11

NO_BREAK = "\N{NO-BREAK SPACE}"

# A number with its unit, and code that fits into a line.
_KEPT_TOGETHER = re.compile(r"\d (?=%|(?:µs|ms|s|min|h)\b)|`[^`]{1,60}`")

# Words with the space before them: one that begins a line leaves it out.
_WORDS = re.compile(r"\s*\S+|\s+$")


class Role(StrEnum):
    """What a piece of text is."""

    PLAIN = "plain"
    TITLE = "title"
    HEADING = "heading"
    STRONG = "strong"
    DIM = "dim"
    CODE = "code"
    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    PYTHON = "python"
    NATIVE = "native"
    NATIVE_GIL = "native-gil"
    GC = "gc"
    STARVED = "starved"


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    role: Role = Role.PLAIN


Line = tuple[Span, ...]


def row(
    left: Sequence[Span], numbers: Sequence[Span], width: int, indent: int = 0
) -> Iterator[Line]:
    """Yield a line with text at its left and columns of numbers at its right.

    Text that leaves no room for the numbers is not cut: they stand on a line of their own.

    >>> for line in row([Span("loop")], [Span("78 %"), Span("5")], 30):
    ...     print("".join(span.text for span in line))
    loop           78 %          5
    """
    columns = [Span(f"{text:>{NUMBER_WIDTH}}", role) for text, role in numbers]
    room = width - indent - sum(len(column.text) for column in columns)
    filled = sum(len(text) for text, _ in left)
    margin = Span(" " * indent)
    if not columns:
        yield (margin, *left)
    elif filled <= room:
        yield (margin, *left, Span(" " * (room - filled)), *columns)
    else:
        yield (margin, *left)
        yield (margin, Span(" " * room), *columns)


def labelled(label: Span, spans: Sequence[Span], width: int, indent: int) -> Iterator[Line]:
    """Yield lines of text beside a label, wrapped between words where it does not fit."""
    margin = indent + len(label.text)
    line: list[Span] = [Span(" " * indent), label]
    filled = margin
    for text, role in spans:
        for word in _WORDS.findall(text):
            if filled + len(word.rstrip()) > width and filled > margin:
                yield tuple(line)
                line, filled = [Span(" " * margin)], margin
                word = word.lstrip()
            before = line.pop().text if line[-1].role == role else ""
            line.append(Span(before + word, role))
            filled += len(word)
    yield tuple(line)


def paragraph(text: str, width: int, indent: int, role: Role, lead: Span) -> Iterator[Line]:
    """Yield lines of wrapped text; `lead` stands before the first, outside the text's block."""
    kept_together = _KEPT_TOGETHER.sub(_without_breaks, text)
    room = width - indent - len(lead.text)
    for number, line in enumerate(textwrap.wrap(kept_together, room, break_on_hyphens=False)):
        before = lead if number == 0 else Span(" " * len(lead.text))
        yield Span(" " * indent), before, Span(line.replace(NO_BREAK, " "), role)


def _without_breaks(match: re.Match[str]) -> str:
    return match.group().replace(" ", NO_BREAK)
