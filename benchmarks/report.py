"""The tables that a run prints. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from benchmarks.figures import Figure, Kind
from benchmarks.summary import Result, Results, Spread


class Measured(Protocol):
    """A case, as far as a table shows it."""

    @property
    def title(self) -> str: ...

    @property
    def kind(self) -> Kind: ...


M = TypeVar("M", bound=Measured)


def tables(
    results: Results,
    cases: Mapping[str, Measured],
    baseline: str,
    absent: Mapping[str, Mapping[str, str]],
    contender: str = "loop",
) -> str:
    """Return a table for each kind of case, with one row for each case and contender.

    `absent` says, by case and contender, why there is no figure in any round; `contender` is
    what the contenders are.
    """
    return "\n\n".join(
        f"{heading(kind, baseline)}\n"
        f"{table(results, of_kind(cases, kind), baseline, absent, contender)}"
        for kind in dict.fromkeys(case.kind for case in cases.values())
    )


def of_kind(cases: Mapping[str, M], kind: Kind) -> dict[str, M]:
    return {name: case for name, case in cases.items() if case.kind == kind}


def heading(kind: Kind, baseline: str) -> str:
    side = "above" if kind.main.more_is_better else "below"
    return f"# {kind.title}: a ratio {side} 1 is better than {baseline}\n"


def table(
    results: Results,
    cases: Mapping[str, Measured],
    baseline: str,
    absent: Mapping[str, Mapping[str, str]],
    contender: str,
) -> str:
    """Return the main figure, its ratio to the baseline, what a loop adds; then other figures.

    All cases are of one kind.
    """
    kind = next(iter(cases.values())).kind
    added = "%" if kind.added_in_percent else kind.main.title
    rows: list[Sequence[str]] = [
        (
            *("benchmark", contender, kind.main.title, f"x {baseline}", "quartiles"),
            *(f"adds {added}", "quartiles"),
            *(title for figure in kind.others for title in titles(figure)),
        )
    ]
    for name, case in cases.items():
        measured, missing = results.get(name, {}), absent.get(name, {})
        for position, loop in enumerate([*measured, *missing]):
            said = figures(measured[loop], kind) if loop in measured else (missing[loop],)
            rows.append((case.title if position == 0 else "", loop, *said))
    return "\n".join(aligned(rows))


def figures(results: Mapping[str, Result], kind: Kind) -> tuple[str, ...]:
    main = results[kind.main.name]
    ratio, added = main["ratio"], main["added"]
    return (
        shown(results, kind.main),
        *(spread_out(ratio, ".2f") if ratio else ("", "")),
        *(spread_out(added, f",.{int(kind.added_in_percent)}f") if added else ("", "")),
        *(cell for figure in kind.others for cell in cells(results, figure)),
    )


def titles(figure: Figure) -> tuple[str, ...]:
    return (figure.title, "x") if figure.compared else (figure.title,)


def cells(results: Mapping[str, Result], figure: Figure) -> tuple[str, ...]:
    if not figure.compared:
        return (shown(results, figure),)
    ratio = results[figure.name]["ratio"]
    return shown(results, figure), f"{ratio['median']:.2f}" if ratio else ""


def shown(results: Mapping[str, Result], figure: Figure) -> str:
    return f"{results[figure.name]['value']['median']:,.{figure.digits}f}"


def spread_out(spread: Spread, form: str) -> tuple[str, str]:
    return f"{spread['median']:{form}}", f"{spread['q1']:{form}} to {spread['q3']:{form}}"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines; a row with fewer cells than the first ends in a text of any length."""
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    widths[:2] = (max(len(row[column]) for row in rows) for column in range(2))
    for position, row in enumerate(rows):
        if position and row[0]:
            yield ""
        yield "  ".join(
            cell.ljust(width) if column < 2 or len(row) < len(widths) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
