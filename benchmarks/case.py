"""What a benchmark is, and the registry of all of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks import cases


@dataclass(frozen=True)
class Case:
    """One benchmark.

    Attributes:
        name: as given to --only and as stored.
        title: what one operation is, in the table.
        run: does that many operations on the running loop, and returns the seconds they took;
            what it sets up before and takes down after is not counted.
    """

    name: str
    title: str
    run: Callable[[int], Awaitable[float]]


def all_cases() -> dict[str, Case]:
    """Return the `CASE` of each module in `cases/`, by name."""
    found = [
        importlib.import_module(f"{cases.__name__}.{module.name}").CASE
        for module in pkgutil.iter_modules(cases.__path__)
    ]
    return {case.name: case for case in found}
