"""What a pair of programs is, and one run of each."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.advice.others import Others

TIMEOUT = 120

BUSY = "while True: pass"

MENDED = re.compile(r"^( *)(.*?)  #> (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Pair:
    """A program that blocks, and the same without.

    Attributes:
        text: the program, with `#> ` and what its advice puts in a line's place behind it.
        only: the function whose advice alone is followed; empty: all advice is.
        busy: how many other programs keep a core busy each meanwhile.
        needs: a module that it needs and that may not be installed.
        threshold_s: how long a step must run to count as blocked.
    """

    name: str
    text: str
    only: str = ""
    busy: int = 0
    needs: str = ""
    threshold_s: float = 0.02

    @property
    def can_run(self) -> bool:
        return not self.needs or find_spec(self.needs) is not None

    @property
    def before(self) -> str:
        return MENDED.sub(r"\1\2", dedent(self.text))

    @property
    def after(self) -> str:
        return MENDED.sub(r"\1\3", dedent(self.text))


@dataclass(frozen=True)
class Run:
    """A recorded run of a program: its report, and what others had of the machine meanwhile."""

    report: dict[str, Any]
    others: float  # which share of the machine they used, besides those of `Pair.busy`

    def told(self, pair: Pair) -> dict[str, Any] | None:
        """Return what the report says of the run with the advice that a pair follows."""
        if not pair.only:
            return self.report["estimate"]  # type: ignore[no-any-return]
        for found in self.report["blocked"]:
            advice = found["advice"]
            if pair.only in found["function"] and advice and advice["run_s"] is not None:
                return advice  # type: ignore[no-any-return]
        return None

    @property
    def run_s(self) -> float:
        return float(self.report["run_s"])

    @property
    def lag_p99_s(self) -> float:
        return max((float(loop["lag_s"]["p99"]) for loop in self.report["loops"]), default=0.0)


def run(pair: Pair, text: str, folder: Path) -> Run:
    """Run one of a pair's programs in a folder that has what it imports."""
    name = re.sub(r"\W+", "_", pair.name)
    program, report = folder / f"{name}.py", folder / f"{name}.json"
    program.write_text(text)
    report.unlink(missing_ok=True)
    options = [
        "--threshold",
        f"{pair.threshold_s * 1000:g}ms",
        "--no-report",
        "--json",
        str(report),
    ]
    with _busy(pair.busy):
        others = Others()
        done = subprocess.run(
            [sys.executable, "-m", "fournil", "run", *options, str(program)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        taken = others.share
    if done.returncode or not report.exists():
        raise RuntimeError(f"{pair.name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Run(json.loads(report.read_text()), taken)


@contextmanager
def _busy(number: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-S", "-c", BUSY]) for _ in range(number)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
        for program in programs:
            program.wait()
