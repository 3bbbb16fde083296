"""Each rule's sentence is tried: done as it says, the program works, and its loop is free.

Where the machine is not busy, it also takes as long as was told.

`make trials` tries more programs, in other places and spellings.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fournil.observe.advice.rules import RULES
from tests.advice.programs import OF_RULES, PROGRAMS
from tests.advice.trial import Program, Result, try_all

TRIES = 3
"""Other programs may take the machine's time while one of two runs is measured."""

CHOSEN = [program for program in OF_RULES if program.can_run]

UNTRIED = {
    "starved",  # a machine that is busy: tests/observe/test_costs.py
    "library",
    "imported",  # a module beside the program, as servers load them
    "first call of a pool",  # once in a process
    "gil",  # two loops in threads: tests/observe/test_advice.py
    "collector at the start",
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
    result = results[program.name]
    for number in range(TRIES - 1):
        if not result.wrong:
            return
        (result,) = try_all([program], tmp_path / str(number))
    assert not result.wrong


def test_every_rule_is_tried_or_says_why_not() -> None:
    tried = {program.rule for program in OF_RULES}
    assert {rule.name for rule in RULES} - tried == UNTRIED


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 60
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)
