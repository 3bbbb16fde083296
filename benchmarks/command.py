"""The command line: python -m benchmarks."""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.backing import BACKINGS
from benchmarks.case import AnyCase, Case, Client, Service, all_cases
from benchmarks.environment import environment, version
from benchmarks.figures import INSTRUCTIONS
from benchmarks.instructions import why_not_counted
from benchmarks.loops import BASELINE, LOOPS
from benchmarks.niceness import niceness
from benchmarks.plan import Settings
from benchmarks.report import tables
from benchmarks.run import measure_all
from benchmarks.summary import rounds_of, summarize

RESULTS = Path(__file__).parent / "results"

FORMAT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    cases = all_cases()
    options = parser().parse_args(arguments)
    chosen = choose(cases, options.only, options.all)
    if not chosen:
        print(f"no benchmark is called {' or '.join(options.only)}: see --list", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(chosen))
        return 0
    if options.instructions:
        chosen = {
            name: dataclasses.replace(case, kind=INSTRUCTIONS)
            for name, case in chosen.items()
            if isinstance(case, Service)
        }
    missing = {name: why for name in options.loops if (why := LOOPS[name].missing())}
    missing |= {name: why for name, case in chosen.items() if (why := why_missing(case))}
    for name, why in missing.items():
        print(f"not measured: {name}: {why}", file=sys.stderr)
    chosen = {name: case for name, case in chosen.items() if name not in missing}
    loops = [name for name in options.loops if name not in missing]
    contenders = {name: able for name, case in chosen.items() if (able := able_to_run(loops, case))}
    if not contenders:
        print("nothing to measure", file=sys.stderr)
        return 2
    settings = choose_settings(options.quick, sorted(os.sched_getaffinity(0)))
    # Instructions are much the same each time, and take long to count.
    rounds = options.rounds or (1 if options.instructions else 3 if options.quick else 9)
    seed = random.SystemRandom().getrandbits(32)
    before = environment()
    with niceness(options.nice):
        run = measure_all(chosen, contenders, rounds, seed, settings)
    baseline = BASELINE if BASELINE in loops else loops[0]
    results = summarize(
        run.measured,
        {name: case.kind for name, case in chosen.items()},
        baseline,
        {name: LOOPS[name].over for name in loops},
        rounds,
    )
    print(tables(results, chosen, baseline, run.absent(rounds)), flush=True)
    for failure in run.failures(rounds):
        print(f"failed: {failure}", file=sys.stderr)
    stored = store(
        options.json or RESULTS / result_name(before),
        {
            "format": FORMAT,
            "environment": before,
            "settings": {
                "rounds": rounds,
                "seed": seed,
                "nice": options.nice,
                **dataclasses.asdict(settings),
            },
            "baseline": baseline,
            "missing": missing,
            "unable": run.unable,
            "failures": run.failures(rounds),
            "results": results,
        },
    )
    print(f"\n{rounds_of(run.measured)} rounds, stored in {stored}", file=sys.stderr)
    return 1 if run.failed else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add_common_options(made, example="tcp-*-1KiB-50", rounds=9)
    made.add_argument("--all", action="store_true", help="also what is not measured by default")
    made.add_argument(
        "--instructions",
        action="store_true",
        help="count the instructions of echo servers, in place of times",
    )
    made.add_argument(
        "--loops",
        type=loop_names,
        default=[name for name, loop in LOOPS.items() if loop.default],
        metavar="A,B",
        help=f"these of {', '.join(LOOPS)}",
    )
    return made


def add_common_options(parser: argparse.ArgumentParser, *, example: str, rounds: int) -> None:
    """Add what all benchmarks can be told.

    Args:
        parser: of the command line.
        example: a pattern of names of these benchmarks.
        rounds: how many there are unless given.
    """
    parser.add_argument("--quick", action="store_true", help="three short rounds: a smoke test")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help=f"benchmarks whose name matches, as in '{example}' (repeatable)",
    )
    parser.add_argument("--list", action="store_true", help="print the names and measure nothing")
    parser.add_argument("--rounds", type=positive, help=f"how many rounds (default {rounds})")
    parser.add_argument(
        "--nice",
        type=int,
        default=0,
        metavar="N",
        help="the niceness of what is measured; negative (as root) where others use the machine",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to store the results")


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


def choose(
    cases: Mapping[str, AnyCase], patterns: Sequence[str], everything: bool
) -> dict[str, AnyCase]:
    """Return the cases that match a pattern; without one, the default ones, or all."""
    return {
        name: case
        for name, case in cases.items()
        if (
            any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
            if patterns
            else case.default or everything
        )
    }


def choose_settings(quick: bool, cores: Sequence[int]) -> Settings:
    return Settings(
        seconds=0.003 if quick else 0.015,
        repeats=3 if quick else 5,
        warmup=0.05 if quick else 0.2,
        window=0.1 if quick else 0.8,
        core=cores[-1],
        load_core=cores[-2] if len(cores) > 1 else None,
    )


def why_missing(case: AnyCase) -> str | None:
    """Return why no loop can run the case here; None: it can be run."""
    if isinstance(case, Service) and (why := case.load.missing()):
        return why
    if isinstance(case, Service) and case.kind is INSTRUCTIONS and (why := why_not_counted(case)):
        return why
    if isinstance(case, Client) and (why := BACKINGS[case.backing].why_missing()):
        return why
    needed = () if isinstance(case, Case) else case.needs
    absent = [name for name in needed if version(name) is None]
    return f"{', '.join(absent)} not installed" if absent else None


def able_to_run(loops: Sequence[str], case: AnyCase) -> list[str]:
    """Leave out the floor where it has no equal."""
    stands_in = isinstance(case, Service) and case.floor
    return [name for name in loops if stands_in or not LOOPS[name].program]


def result_name(about: dict[str, object]) -> str:
    date = str(about["date"]).replace(":", "").replace("+0000", "Z")
    return f"{date}-python{about['python']}.json"


def store(path: Path, content: dict[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
