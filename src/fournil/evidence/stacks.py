"""Stacks: from the text that the watch writes to frames, and sums of time by their lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

Time = TypeVar("Time", int, float)

SEPARATOR = "\x1f"


class Frame(NamedTuple):
    """One frame of a stack."""

    file: str
    line: int
    function: str


def parse(text: str) -> tuple[Frame, ...]:
    r"""Return the frames of a stack's text: lines of file, line and function.

    >>> parse("app.py\x1f7\x1fmain\n")
    (Frame(file='app.py', line=7, function='main'),)
    """
    frames = []
    for entry in text.split("\n"):
        parts = entry.split(SEPARATOR)
        if len(parts) == 3:
            file, line, function = parts
            frames.append(Frame(file, _number(line), function))
    return tuple(frames)


def _number(text: str) -> int:
    # Decimal digits only: `int` takes others too, and refuses very long numbers.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def plain_name(function: str) -> str:
    """Return a function's name without those of what it is defined in."""
    return function.rpartition(".")[2]


def sum_by_line(times: Iterable[tuple[Frame, Time]]) -> dict[Frame, Time]:
    """Return the sum of times for each line.

    Functions may share a line, as a lambda and what it is written in; the longer name stands
    for both.
    """
    sums: dict[tuple[str, int], Time] = {}
    names: dict[tuple[str, int], str] = {}
    for (file, line, function), time in times:
        place = file, line
        sums[place] = sums[place] + time if place in sums else time
        names[place] = max(names.get(place, ""), function, key=len)
    return {Frame(*place, names[place]): time for place, time in sums.items()}
