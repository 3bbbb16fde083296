"""The programs that are tried: those of the rules, and those of the modules beside this one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fournil.observe.advice.rules import RULES
from tests.advice import changing, libraries, places, spellings, unsendable
from tests.advice.trial import Program


def _of_rules() -> Iterator[Program]:
    for rule in RULES:
        for number, trial in enumerate(rule.tried, 1):
            name = f"{re.sub('[^a-z0-9]', '_', rule.name)}_{number}"
            needs = "numpy" if "numpy" in trial.program else ""
            yield Program(f"rule_{name}", rule.name, trial.program, trial.mended, needs=needs)


OF_RULES = tuple(_of_rules())
PROGRAMS: tuple[Program, ...] = (
    *OF_RULES,
    *places.PROGRAMS,
    *spellings.PROGRAMS,
    *changing.PROGRAMS,
    *unsendable.PROGRAMS,
    *libraries.PROGRAMS,
)
