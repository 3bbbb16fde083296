"""The table that a run prints. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.case import Case
from benchmarks.summary import Result, Spread


def table(
    results: Mapping[str, Mapping[str, Result]], cases: Mapping[str, Case], baseline: str
) -> str:
    """Return one row for each case and loop: time, ratio to the baseline, time added."""
    rows: list[Sequence[str]] = [
        ("benchmark", "loop", "ns", f"x {baseline}", "quartiles", "adds ns", "quartiles")
    ]
    for name in cases:
        for position, (loop, result) in enumerate(results.get(name, {}).items()):
            rows.append((cases[name].title if position == 0 else "", loop, *figures(result)))
    return "\n".join(aligned(rows))


def figures(result: Result) -> tuple[str, ...]:
    ratio, added = result["ratio"], result["added_ns"]
    return (
        f"{result['ns']['median']:,.0f}",
        *(spread_out(ratio, ".2f") if ratio else ("", "")),
        *(spread_out(added, ",.0f") if added else ("", "")),
    )


def spread_out(spread: Spread, form: str) -> tuple[str, str]:
    return f"{spread['median']:{form}}", f"{spread['q1']:{form}} to {spread['q3']:{form}}"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for position, row in enumerate(rows):
        if position and row[0]:
            yield ""
        yield "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
