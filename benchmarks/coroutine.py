"""Measuring a coroutine: a fresh process that runs it again and again."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.case import Case
from benchmarks.errors import MeasurementError
from benchmarks.figures import Measurement
from benchmarks.loops import Loop
from benchmarks.plan import Settings
from benchmarks.reason import reason

A_MEASUREMENT_S = 120
"""After this long, a measurement has failed."""


def measure(case: Case, loop: Loop, settings: Settings) -> Measurement:
    """Return the figure of the fastest repetition; raise MeasurementError."""
    command = [sys.executable, "-m", "benchmarks.worker", case.name, loop.name]
    try:
        run = subprocess.run(
            [*command, json.dumps(dataclasses.asdict(settings))],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=A_MEASUREMENT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"no result after {A_MEASUREMENT_S} s") from error
    if run.returncode != 0:
        raise MeasurementError(
            f"the worker ended with status {run.returncode}: {reason(run.stderr)}"
        )
    seconds = min(json.loads(run.stdout))
    main = case.kind.main
    return {main.name: 1 / seconds if main.more_is_better else seconds * 1e9}
