"""Stacks: from the recording's text to the frames inside a step, and which are the user's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TypeVar

from fournil.observe.model import Frame, Meta

Time = TypeVar("Time", int, float)

SEPARATOR = "\x1f"
LOOP_FUNCTION = "run_forever"
LOOP_FILE = "loop.py"

# faulthandler writes what is not printable ASCII as \xNN, \uNNNN or \UNNNNNNNN, and leaves
# a backslash that is in the name itself as it is.
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def parse(text: str, *, escaped: bool) -> tuple[Frame, ...]:
    r"""Return the frames of a stack's text: lines of file, line and function.

    >>> parse("app.py\x1f7\x1fmain\n", escaped=False)
    (Frame(file='app.py', line=7, function='main'),)
    """
    frames = []
    for entry in text.split("\n"):
        parts = entry.split(SEPARATOR)
        if len(parts) == 3:
            file, line, function = map(unescape, parts) if escaped else parts
            frames.append(Frame(file, _number(line), function))
    return tuple(frames)


def _number(text: str) -> int:
    # Decimal digits only: `int` takes others too, and refuses very long numbers.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def unescape(name: str) -> str:
    """Return a name as it was before faulthandler escaped it."""

    def character(match: re.Match[str]) -> str:
        code = int(next(filter(None, match.groups())), 16)
        return chr(code) if code <= 0x10FFFF else match.group()

    return _ESCAPED.sub(character, name)


def plain_name(function: str) -> str:
    """Return a function's name without those of what it is defined in."""
    return function.rpartition(".")[2]


def sum_by_line(times: Iterable[tuple[Frame, Time]]) -> dict[Frame, Time]:
    """Return the sum of times for each line.

    A stack that was written on a signal has functions' plain names, one that was walked has
    qualified ones; the longer name stands for both.
    """
    sums: dict[tuple[str, int], Time] = {}
    names: dict[tuple[str, int], str] = {}
    for (file, line, function), time in times:
        place = file, line
        sums[place] = sums[place] + time if place in sums else time
        names[place] = max(names.get(place, ""), function, key=len)
    return {Frame(*place, names[place]): time for place, time in sums.items()}


class Ownership:
    """Tells the user's own code from Python's, from packages and from Fournil."""

    def __init__(self, meta: Meta) -> None:
        self._main = meta.main
        self._stdlib = _as_prefixes(meta.stdlib_roots)
        self._packages = _as_prefixes(meta.package_roots)
        self._fournil = _as_prefixes(meta.fournil_roots)
        self._foreign = ("<frozen ", *self._stdlib, *self._packages, *self._fournil)

    def is_own(self, file: str) -> bool:
        # A program that lies inside one of the roots is the user's all the same.
        return file == self._main or not file.startswith(self._foreign)

    def is_stdlib(self, file: str) -> bool:
        # Packages are installed inside the standard library's directory.
        return file.startswith(self._stdlib) and not file.startswith(self._packages)

    def short_path(self, file: str) -> str:
        """Return the path of a file of a library as that library's users know it."""
        # Packages first: their directory lies inside the standard library's.
        for root in (*self._packages, *self._stdlib):
            if file.startswith(root):
                return file.removeprefix(root)
        return file

    def inside_step(self, frames: Sequence[Frame]) -> tuple[Frame, ...]:
        """Return the frames inside the step: those that the loop called, or else all."""
        for index, frame in enumerate(frames):
            if (
                plain_name(frame.function) == LOOP_FUNCTION
                and PurePath(frame.file).name == LOOP_FILE
                and frame.file.startswith(self._fournil)
            ):
                return tuple(frames[:index])
        return tuple(frames)

    def innermost_own(self, frames: Sequence[Frame]) -> Frame | None:
        """Return the innermost frame of the user's own code; without one, the innermost."""
        own = next((frame for frame in frames if self.is_own(frame.file)), None)
        return own or (frames[0] if frames else None)


def _as_prefixes(roots: Iterable[str]) -> tuple[str, ...]:
    return tuple(root.rstrip("/") + "/" for root in roots if root)
