"""The command line: python -m benchmarks.pools."""

from __future__ import annotations

import argparse
import fnmatch
import random
import sys
from collections.abc import Mapping, Sequence

from benchmarks.command import RESULTS, add_common_options, result_name, store
from benchmarks.environment import environment
from benchmarks.errors import NoMeasurement
from benchmarks.figures import Measurement
from benchmarks.niceness import niceness
from benchmarks.plan import plan
from benchmarks.pools.cases import CASES
from benchmarks.pools.contenders import BASELINES, CONTENDERS
from benchmarks.pools.worker import measure
from benchmarks.report import tables
from benchmarks.run import show_progress, until_interrupted
from benchmarks.summary import Results, rounds_of, summarize

FORMAT = 2

Measured = dict[str, dict[str, dict[int, Measurement]]]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    chosen = {
        name: case
        for name, case in CASES.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in options.only or ["*"])
    }
    if not chosen:
        print(f"no benchmark is called {' or '.join(options.only)}: see --list", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(chosen))
        return 0
    missing = {name: why for name in options.pools if (why := CONTENDERS[name].missing())}
    for name, why in missing.items():
        print(f"not measured: {name}: {why}", file=sys.stderr)
    pools = [name for name in options.pools if name not in missing]
    if not pools:
        print("nothing to measure", file=sys.stderr)
        return 2
    contenders = {
        name: [
            pool
            for pool in pools
            if CONTENDERS[pool].workers == case.workers and (case.floor or CONTENDERS[pool].opened)
        ]
        for name, case in chosen.items()
    }
    contenders = {name: able for name, able in contenders.items() if able}
    if not contenders:
        print("none of these pools takes part in these benchmarks", file=sys.stderr)
        return 2
    rounds = options.rounds or (3 if options.quick else 15)
    seed = random.SystemRandom().getrandbits(32)
    before = environment()
    with niceness(options.nice):
        measured, failures = measure_all(contenders, rounds, seed, 0.05 if options.quick else 0.5)
    results: Results = {}
    baselines: dict[str, str] = {}
    for workers, usual in BASELINES.items():
        cases = {
            name: case
            for name, case in chosen.items()
            if case.workers == workers and name in contenders
        }
        if not cases:
            continue
        pools = list(dict.fromkeys(pool for name in cases for pool in contenders[name]))
        wanted = options.baseline if options.baseline in pools else usual
        baseline = baselines[workers] = wanted if wanted in pools else pools[0]
        of_these = summarize(
            {name: measured[name] for name in cases},
            {name: case.kind for name, case in cases.items()},
            baseline,
            {},
            rounds,
        )
        print(tables(of_these, cases, baseline, {}, "pool"), end="\n\n", flush=True)
        results = {**results, **of_these}
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    stored = store(
        options.json or RESULTS / f"pools-{result_name(before)}",
        {
            "format": FORMAT,
            "environment": before,
            "settings": {"rounds": rounds, "seed": seed, "nice": options.nice},
            "baselines": baselines,
            "missing": missing,
            "failures": failures,
            "results": results,
        },
    )
    print(f"\n{rounds_of(measured)} rounds, stored in {stored}", file=sys.stderr)
    return 1 if failures else 0


def measure_all(
    contenders: Mapping[str, Sequence[str]], rounds: int, seed: int, seconds: float
) -> tuple[Measured, list[str]]:
    """Return what was measured, and what failed."""
    measured: Measured = {case: {pool: {} for pool in pools} for case, pools in contenders.items()}
    failures = []
    total = rounds * sum(map(len, contenders.values()))
    with until_interrupted():
        for number, step in enumerate(plan(contenders, rounds, seed), 1):
            show_progress(f"{number}/{total}  {step.case} by {step.loop}")
            try:
                measured[step.case][step.loop][step.round] = measure(step.case, step.loop, seconds)
            except NoMeasurement as error:
                failures.append(f"{step.case} by {step.loop}, round {step.round}: {error}")
    show_progress("")
    return measured, failures


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.pools", description=__doc__)
    add_common_options(made, example="pools-*-hop", rounds=15)
    made.add_argument(
        "--baseline",
        choices=CONTENDERS,
        metavar="POOL",
        help=f"what ratios are to (default {' or '.join(BASELINES.values())})",
    )
    made.add_argument(
        "--pools",
        type=pool_names,
        default=[name for name, contender in CONTENDERS.items() if contender.default],
        metavar="A,B",
        help=f"these of {', '.join(CONTENDERS)}",
    )
    return made


def pool_names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in CONTENDERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(CONTENDERS)}")
    return names
