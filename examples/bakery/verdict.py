"""Compares the two reports with what is known of the bakery: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Report = dict[str, Any]
"""A report, as `fournil run --json` writes it."""

MARK = re.compile(r"# mistake: ([\w-]+)$")

REMEDIES = {
    "waiting": {"await", "thread"},
    "native": {"thread"},
    "python": {"process"},
    "native-gil": {"process"},
}

TOLERANCE = 0.25
"""By how much of the measured run time an estimate may be off."""


class Mistake(NamedTuple):
    """A line that blocks the loop, and the class of it."""

    line: int
    blocker: str


def mistakes(source: str) -> list[Mistake]:
    """Return the mistakes that are marked in a source.

    >>> mistakes("import time\\ntime.sleep(1)  # mistake: waiting")
    [Mistake(line=2, blocker='waiting')]
    """
    lines = enumerate(source.splitlines(), 1)
    return [Mistake(line, mark[1]) for line, text in lines if (mark := MARK.search(text))]


def misnamed(report: Report, file: str, made: list[Mistake]) -> Iterator[str]:
    """Yield how a report of what blocked differs from the mistakes made in a file."""
    found: dict[tuple[str, int], Report] = {}
    for blocked in report["blocked"]:
        # The greatest total comes first. On a busy machine, the watch may come too late to see
        # a single step of a line for what it is.
        found.setdefault((blocked["file"], blocked["line"]), blocked)
    for mistake in made:
        place = f"{file}:{mistake.line}"
        named = found.pop((file, mistake.line), None)
        if named is None:
            yield f"{place}: blocks the loop ({mistake.blocker}), and was not named"
            continue
        if named["class"] != mistake.blocker:
            yield f"{place}: is {mistake.blocker}, and was called {named['class']}"
        advice = named["advice"]
        if advice is None:
            yield f"{place}: was named without an advice"
        elif advice["to"] not in REMEDIES[mistake.blocker]:
            yield f"{place}: is {mistake.blocker}, and its advice is: {advice['to']}"
    for name, line in found:
        yield f"{name}:{line}: was named, and is no mistake"


def still_blocked(first: Report, second: Report) -> Iterator[str]:
    """Yield what blocked the loop of the mended version as the mistakes did in the first.

    A step that the machine holds up for a moment blocks a loop too, though not for as long.
    """
    shortest = min((blocked["longest_s"] for blocked in first["blocked"]), default=0.0)
    for blocked in second["blocked"]:
        if blocked["longest_s"] >= shortest:
            yield (
                f"{blocked['file']}:{blocked['line']}: blocked the mended version for"
                f" {blocked['longest_s']:.3f} s ({blocked['class']})"
            )


def off_by(first: Report, second: Report) -> float:
    """Return by which share the first report's estimate is above what the second measured."""
    estimated, measured = first["estimate"]["run_s"], second["run_s"]
    return float(estimated / measured - 1)


def misjudged(first: Report, second: Report) -> Iterator[str]:
    """Yield what is wrong with the first report's estimate of the second run."""
    if first["estimate"] is None:
        yield "there is no estimate of what the advice gains"
    elif abs(off_by(first, second)) > TOLERANCE:
        yield (
            f"the run time was estimated at {first['estimate']['run_s']:.2f} s, and measured at"
            f" {second['run_s']:.2f} s, which is more than {TOLERANCE:.0%} apart"
        )


def praise(first: Report, second: Report) -> Iterator[str]:
    """Yield what there is to say of two reports with nothing wrong in them."""
    longest = max((blocked["longest_s"] for blocked in second["blocked"]), default=0.0)
    blocked = f"its loop for at most {_seconds(longest)}" if longest else "nothing"
    yield "Each mistake was named at its line, in its class, with an advice. The mended version"
    yield f"gave the same answers and blocked {blocked}."
    yield f"The estimated run time is off by {off_by(first, second):+.0%}."


def table(first: Report, second: Report) -> Iterator[str]:
    """Yield the lines of a table: with the mistakes, estimated without them, measured."""
    yield f"{'':14}{'with mistakes':>14}{'estimated':>14}{'measured':>14}"
    estimate = first["estimate"]
    rows = {
        "run time": (first["run_s"], estimate["run_s"], second["run_s"]),
        "loop busy": (_busy(first), estimate["busy_s"], _busy(second)),
        "lag, p99": (_lag(first, "p99"), estimate["lag_s"]["p99"], _lag(second, "p99")),
        "lag, longest": (_lag(first, "max"), estimate["lag_s"]["max"], _lag(second, "max")),
    }
    for name, values in rows.items():
        yield f"{name:14}" + "".join(f"{_seconds(value):>14}" for value in values)


def _busy(report: Report) -> float:
    return float(sum(loop["busy_s"] for loop in report["loops"]))


def _lag(report: Report, name: str) -> float:
    return float(max(loop["lag_s"][name] for loop in report["loops"]))


def _seconds(value: float) -> str:
    """Return a time as it is read best.

    >>> _seconds(3.14159), _seconds(0.0123)
    ('3.14 s', '12.3 ms')
    """
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"
