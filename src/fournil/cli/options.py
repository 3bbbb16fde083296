"""What `fournil run` is told, read without click, which loads as long as Python starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fournil.launch.order import Kind
from fournil.record import bounds
from fournil.record.layout import DEFAULT_SIZE

WITH_VALUE = frozenset({"--threshold", "--size", "--record", "--json", "--mine"})
NO_REPORT, NO_FOLLOW = "--no-report", "--no-follow"
FLAGS = frozenset({NO_REPORT, NO_FOLLOW})

THRESHOLD = "50ms"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}

SIZE = f"{DEFAULT_SIZE >> 20}M"


class Options(NamedTuple):
    """A command line of `fournil run`."""

    kind: Kind
    target: str  # as an Order has it
    arguments: tuple[str, ...]  # of the program
    threshold: float  # seconds
    size: int  # of the recording, bytes
    record: str | None
    json_to: str | None
    no_report: bool
    no_follow: bool
    mine: tuple[str, ...] = ()  # packages that count as the user's own


def parse(words: Sequence[str]) -> Options | None:
    """Return what a command line says; None where there is something to explain, or to refuse.

    Options end where the program begins, as those of `python` do.
    """
    given: dict[str, str] = {}
    mine: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, is_attached, value = word.partition("=")
        if name in WITH_VALUE and (is_attached or rest):
            given[name] = value if is_attached else rest.pop(0)
            if name == "--mine":
                mine.append(given[name])
        elif word in FLAGS:
            given[word] = word
        elif (program := _program(word, rest)) is not None:
            try:
                threshold = seconds(given.get("--threshold", THRESHOLD))
                size = bounds.size(given.get("--size", SIZE))
                packages = tuple(map(package, mine))
            except ValueError:
                return None
            return Options(
                *program,
                tuple(rest),
                threshold,
                size,
                given.get("--record"),
                given.get("--json"),
                NO_REPORT in given,
                NO_FOLLOW in given,
                packages,
            )
        else:
            return None
    return None


def _program(word: str, rest: list[str]) -> tuple[Kind, str] | None:
    """Return the program that a word begins, and take it from the words that follow."""
    if word[:2] in {"-m", "-c"}:
        if not word[2:] and not rest:
            return None
        return "module" if word[1] == "m" else "code", word[2:] or rest.pop(0)
    if word == "--" and rest:
        word = rest.pop(0)
    elif word.startswith("-") and word != "-":
        return None
    return "stdin" if word == "-" else "script", word


def package(value: str) -> str:
    """Return the name of a package or module as it is imported.

    Raises:
        ValueError: it is none; the text says why.
    """
    name = value.replace("-", "_")  # as distributions are called
    if not all(part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{value!r} is no package; name one as it is imported, as `shop` or `a.b`")
    return name


def seconds(value: str) -> float:
    """Return a time that was given with its unit, as `50ms`, in seconds.

    Raises:
        ValueError: it is none, or one that is no threshold; the text says why.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(us|ms|s)?", value)
    if match is None:
        raise ValueError(f"{value!r} is no time; write one as 50ms or 0.05s")
    number, unit = match.groups()
    with_unit = [
        f"{number}{unit}" for unit in ("ms", "s") if _is_in_range(float(number) * UNITS[unit])
    ]
    if unit is None and with_unit:
        raise ValueError(f"{value!r} has no unit; write {' or '.join(with_unit)}")
    seconds = float(number) * UNITS[unit or "s"]
    if not _is_in_range(seconds):
        raise ValueError(f"{value!r} is not between 1ms and 3600s")
    return seconds


def _is_in_range(seconds: float) -> bool:
    return bounds.SHORTEST_THRESHOLD <= seconds <= bounds.LONGEST_THRESHOLD
