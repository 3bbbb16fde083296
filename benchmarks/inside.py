"""Measuring inside a fresh process: a coroutine by `worker`, a client by `ask`."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.case import Case, Client
from benchmarks.errors import MeasurementError, UnableError
from benchmarks.figures import Measurement
from benchmarks.loops import Loop
from benchmarks.plan import Settings
from benchmarks.reason import reason

A_MEASUREMENT_S = 120
"""After this long, a measurement has failed."""


def measure(case: Case | Client, loop: Loop, settings: Settings) -> Measurement:
    """Return the figures, a coroutine's of its fastest repetition.

    Raises:
        MeasurementError: it failed.
        UnableError: the loop does not have what the case needs.
    """
    given = json.dumps(dataclasses.asdict(settings))
    if isinstance(case, Case):
        return {"ns": min(printed("worker", case.name, loop.name, given)) * 1e9}
    figures: Measurement = printed("ask", case.name, loop.name, given)
    return figures


def printed(module: str, *arguments: str) -> Any:
    """Return the JSON that a module of ours prints in a fresh process.

    Raises:
        MeasurementError: it failed.
        UnableError: what is measured does not have what is needed.
    """
    try:
        run = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=A_MEASUREMENT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"no result after {A_MEASUREMENT_S} s") from error
    if run.returncode != 0:
        why = reason(run.stderr)
        if why.startswith("NotImplementedError"):
            raise UnableError(why)
        raise MeasurementError(f"the worker ended with status {run.returncode}: {why}")
    return json.loads(run.stdout)
