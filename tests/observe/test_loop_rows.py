"""Loops that are alike are one row."""

from __future__ import annotations

from fournil.observe.report import render
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from tests.observe.builder import Builder
from tests.observe.samples import report_of


def rows_of(*loops: tuple[str, float]) -> list[str]:
    """Return the rows of loops that are called so, and were late by so much."""
    builder = Builder()
    for name, late_s in loops:
        builder.loop(name=name, ran=9.0, idle=8.0, steps=1_000, longest=late_s, turns=[late_s])
    text = render.plain(lines_of(report_of(builder), View(100)))
    section = text.partition("\nLoop ")[2].partition("\n\n")[0]
    return [" ".join(line.split()) for line in section.splitlines()[1:]]


def test_a_loop_has_a_row() -> None:
    (row,) = rows_of(("MainThread", 0.01))
    assert row.startswith("loop 1 11 % 1,000 ")


def test_threads_alike_have_one() -> None:
    (row,) = rows_of(*[(f"worker-{number}", 0.01) for number in range(8)])
    assert row.startswith("8 loops in 8 threads like worker-0 alike 11 % 8,000 ")


def test_runs_one_after_the_other_have_one() -> None:
    (row,) = rows_of(*[("MainThread", 0.01)] * 30)
    assert row.startswith("30 loops alike 11 % 30,000 ")


def test_those_that_were_late_are_shown_besides() -> None:
    names = [(f"worker-{number}", 0.5 if number == 3 else 0.01) for number in range(8)]
    first, *others = rows_of(*names)
    assert first.startswith("8 loops in 8 threads like worker-0 11 % 8,000 ")
    assert others[0].startswith("loop 4 in worker-3 11 % 1,000 ")
    assert others[-1] == "and 5 that were less late"


def test_other_threads_have_their_own() -> None:
    rows = rows_of(("MainThread", 0.01), ("worker-1", 0.01), ("worker-2", 0.01))
    assert [row.split(" 11 %")[0] for row in rows] == [
        "loop 1",
        "2 loops in 2 threads like worker-1 alike",
    ]


def test_of_very_many_kinds_the_busiest_are_shown() -> None:
    rows = rows_of(*[("abcdefghijklmnop"[number], 0.01) for number in range(12)])
    assert len(rows) == 9
    assert rows[-1] == "and 4 loops more, less busy"
