"""A short run of the benchmarks of pools: every contender measures every case."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pools.cases import CASES
from benchmarks.pools.contenders import BASELINES, CONTENDERS, INTERPRETERS

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.pools", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_all_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    able = [
        name
        for name, its in CONTENDERS.items()
        if its.default and its.package in ("", INTERPRETERS) and not its.missing()
    ]
    short = ("--only", "*-hop", "--only", "*-burst", "--quick", "--rounds", "1")
    ended = run(*short, "--pools", ",".join(able), "--json", str(path))
    assert ended.returncode == 0, ended.stderr
    stored = json.loads(path.read_text())
    kinds = {CONTENDERS[name].workers for name in able}
    assert stored["baselines"] == {kind: BASELINES[kind] for kind in kinds}
    for name, pools in stored["results"].items():
        case = CASES[name]
        assert list(pools) == [
            pool
            for pool in able
            if CONTENDERS[pool].workers == case.workers and (case.floor or CONTENDERS[pool].opened)
        ]
        for pool in pools.values():
            assert pool[case.kind.main.name]["value"]["median"] > 0
    assert "x run_in_executor" in ended.stdout
    assert "x ProcessPoolExecutor" in ended.stdout


def test_arrays(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    ours = ("--pools", "fournil processes on fournil")
    ended = run("--quick", "--rounds", "1", "--only", "*-array", *ours, "--json", str(path))
    assert ended.returncode == 0, ended.stderr
    (measured,) = json.loads(path.read_text())["results"]["pools-process-array"].values()
    assert measured["there_ms"]["value"]["median"] > 0
    assert measured["back_ms"]["value"]["median"] > 0


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_ratios_to_the_floor(tmp_path: Path) -> None:
    path = str(tmp_path / "results.json")
    pools = ("--pools", "fournil,futex-c,socket-c", "--baseline", "futex-c")
    ended = run("--quick", "--rounds", "1", "--only", "*-hop", *pools, "--json", path)
    assert ended.returncode == 0, ended.stderr
    assert "x futex-c" in ended.stdout


def test_what_is_not_there_is_said() -> None:
    ended = run("--only", "nothing-of-the-kind")
    assert ended.returncode == 2
    assert "no benchmark is called nothing-of-the-kind" in ended.stderr
    ended = run("--pools", "celery")
    assert ended.returncode == 2
    assert "'celery' is none of run_in_executor" in ended.stderr


def test_the_names() -> None:
    ended = run("--list")
    assert ended.stdout.split() == list(CASES)
