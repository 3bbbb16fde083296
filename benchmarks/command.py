"""The command line: python -m benchmarks."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.case import Case, all_cases
from benchmarks.environment import environment
from benchmarks.loops import BASELINE, LOOPS
from benchmarks.plan import Settings, Step, plan
from benchmarks.report import table
from benchmarks.summary import summarize

RESULTS = Path(__file__).parent / "results"

FORMAT = 1

A_MEASUREMENT_S = 120
"""After this long, a measurement has failed."""

A_RAISED_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")


class MeasurementError(Exception):
    """A worker ended without a measurement."""


def main(arguments: Sequence[str] | None = None) -> int:
    cases = all_cases()
    options = parser(cases).parse_args(arguments)
    chosen = {name: case for name, case in cases.items() if name in (options.only or cases)}
    missing = {name: why for name in options.loops if (why := LOOPS[name].missing())}
    loops = [name for name in options.loops if name not in missing]
    for name, why in missing.items():
        print(f"not measured: {name}: {why}", file=sys.stderr)
    if not loops:
        print("nothing to measure", file=sys.stderr)
        return 2
    settings = Settings(
        seconds=0.003 if options.quick else 0.015,
        repeats=3 if options.quick else 5,
        core=max(os.sched_getaffinity(0)),
    )
    rounds = options.rounds or (3 if options.quick else 15)
    seed = random.SystemRandom().getrandbits(32)
    before = environment()
    measured, failures = measure_all(chosen, loops, rounds, seed, settings)
    baseline = BASELINE if BASELINE in loops else loops[0]
    over = {name: LOOPS[name].over for name in loops}
    results = summarize(measured, baseline, over, rounds)
    print(table(results, chosen, baseline), flush=True)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    stored = store(
        options.json or RESULTS / result_name(before),
        {
            "format": FORMAT,
            "environment": before,
            "settings": {"rounds": rounds, "seed": seed, **dataclasses.asdict(settings)},
            "baseline": baseline,
            "missing": missing,
            "failures": failures,
            "results": results,
        },
    )
    print(f"\n{rounds} rounds, stored in {stored}", file=sys.stderr)
    return 1 if failures else 0


def parser(cases: dict[str, Case]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("--quick", action="store_true", help="three short rounds: a smoke test")
    made.add_argument("--only", action="append", choices=cases, help="this benchmark (repeatable)")
    made.add_argument("--rounds", type=positive, help="how many rounds (default 15)")
    made.add_argument("--json", type=Path, metavar="FILE", help="where to store the results")
    made.add_argument(
        "--loops",
        type=loop_names,
        default=list(LOOPS),
        metavar="A,B",
        help=f"these of {', '.join(LOOPS)}",
    )
    return made


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def loop_names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in LOOPS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(LOOPS)}")
    return names


def measure_all(
    cases: dict[str, Case], loops: list[str], rounds: int, seed: int, settings: Settings
) -> tuple[dict[str, dict[str, dict[int, float]]], list[str]]:
    """Return the fastest repetition of each measurement, and what failed."""
    measured: dict[str, dict[str, dict[int, float]]] = {
        case: {loop: {} for loop in loops} for case in cases
    }
    failed: dict[tuple[str, str], list[MeasurementError]] = {}
    total = rounds * len(cases) * len(loops)
    for number, step in enumerate(plan(list(cases), loops, rounds, seed), 1):
        show_progress(f"{number}/{total}  {step.case} on {step.loop}")
        try:
            measured[step.case][step.loop][step.round] = min(measure(step, settings))
        except MeasurementError as error:
            failed.setdefault((step.case, step.loop), []).append(error)
    show_progress("")
    return measured, [
        f"{case} on {loop}, {len(errors)} of {rounds} rounds: {errors[0]}"
        for (case, loop), errors in failed.items()
    ]


def measure(step: Step, settings: Settings) -> list[float]:
    """Return the seconds per operation of each repetition, measured in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.worker", step.case, step.loop]
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
    taken: list[float] = json.loads(run.stdout)
    return taken


def reason(stderr: str) -> str:
    """Return the line that names the exception, which warnings at exit may follow."""
    lines = stderr.strip().splitlines() or ["nothing on stderr"]
    return next((line for line in reversed(lines) if A_RAISED_ERROR.match(line)), lines[-1])


def show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def result_name(about: dict[str, object]) -> str:
    date = str(about["date"]).replace(":", "").replace("+0000", "Z")
    return f"{date}-python{about['python']}.json"


def store(path: Path, content: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
