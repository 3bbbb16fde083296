"""Each rule's sentence is tried: done as it says, the program works, and its loop is free.

It also takes as long as was told. Where others use the machine meanwhile, this cannot be judged:
such a trial is repeated, and in the end skipped.

`make trials` tries more programs, in other places and spellings.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from fournil.observe.advice.rules import RULES
from tests.advice.programs import OF_RULES, PROGRAMS
from tests.advice.trial import Program, Result, try_all

TRIES, MOST_TRIES = 3, 5
"""A sentence is wrong if it is so in this many tries on a quiet machine, out of so many."""

CHOSEN = [program for program in OF_RULES if program.can_run]

UNTRIED = {
    "starved",  # a machine that is busy: tests/observe/test_costs.py
    "library",
    "imported",  # a module beside the program, as servers load them
    "first call of a pool",  # once in a process
    "gil",  # two loops in threads: tests/observe/test_advice.py
    "containers",  # its class, native-gil or python, is chance
    "no line",
    "logging",  # a disk that is slow
    "httpx",  # servers that are not here
    "getaddrinfo",
    "names of hosts",
    "sqlalchemy",
    "psycopg",
    "redis",
    "pymongo",
    "database",
    "owned lock",  # in PROGRAMS
    "sqlite3 from elsewhere",
    "input",  # a person
    "matches",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    found = try_all(CHOSEN, tmp_path_factory.mktemp("trials"))
    return {result.program.name: result for result in found}


@pytest.mark.parametrize("program", CHOSEN, ids=lambda program: program.name)
def test_what_the_sentence_says_works(
    program: Program, results: dict[str, Result], tmp_path: Path
) -> None:
    def again(number: int) -> Result:
        (result,) = try_all([program], tmp_path / str(number))
        return result

    judge(results[program.name], again)


def judge(result: Result, again: Callable[[int], Result]) -> None:
    tries = quiet = 0
    while result.wrong:
        tries += 1
        quiet += result.was_quiet
        if quiet == TRIES:
            pytest.fail(result.wrong)
        if tries == MOST_TRIES:
            pytest.skip(f"others used the machine meanwhile: {result.wrong}")
        result = again(tries)


@pytest.mark.parametrize(
    ("tries", "outcome"),
    [
        ("right", None),
        ("wrong busy right", None),
        ("wrong wrong wrong", pytest.fail.Exception),
        ("busy wrong busy wrong wrong", pytest.fail.Exception),
        ("busy wrong busy busy busy", pytest.skip.Exception),
    ],
)
def test_who_used_the_machine_decides(tries: str, outcome: type[BaseException] | None) -> None:
    found = iter(
        Result(CHOSEN[0], None, "" if one == "right" else "late", was_quiet=one != "busy")
        for one in tries.split()
    )
    with pytest.raises(outcome) if outcome else nullcontext():
        judge(next(found), lambda number: next(found))
    assert next(found, None) is None


def test_every_rule_is_tried_or_says_why_not() -> None:
    tried = {program.rule for program in OF_RULES}
    assert {rule.name for rule in RULES} - tried == UNTRIED


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 60
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)
