"""A short run of all benchmarks: every case measures, and what is stored has its shape."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import benchmarks.run
from benchmarks.case import Case, all_cases
from benchmarks.command import main

COROUTINES = [name for name, case in all_cases().items() if isinstance(case, Case)]

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def run_stored(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    path = tmp_path / "folder" / "results.json"
    ended = run("--json", str(path), *arguments)
    assert ended.returncode == 0, ended.stderr
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def only(names: list[str]) -> list[str]:
    return [argument for name in names for argument in ("--only", name)]


def test_all_coroutines_on_asyncio(tmp_path: Path) -> None:
    chosen = only(COROUTINES)
    stored = run_stored(tmp_path, "--quick", "--rounds", "1", "--loops", "asyncio", *chosen)
    assert stored["format"] == 2
    assert stored["baseline"] == "asyncio"
    assert stored["failures"] == []
    assert stored["settings"]["rounds"] == 1
    assert stored["results"].keys() == set(COROUTINES)
    for loops in stored["results"].values():
        assert loops.keys() == {"asyncio"}
        result = loops["asyncio"]["ns"]
        assert result["ratio"] == {"median": 1.0, "q1": 1.0, "q3": 1.0}
        assert result["value"]["median"] > 0
        assert len(result["rounds"]) == 1
    environment = stored["environment"]
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["cores"] >= 1
    assert {"uvloop", "rloop", "zuvloop", "fournil"} <= environment["versions"].keys()


def test_one_case_on_ours_with_recording(tmp_path: Path) -> None:
    loops = "asyncio,fournil,fournil+recording"
    stored = run_stored(tmp_path, "--quick", "--only", "switch", "--loops", loops)
    assert stored["results"].keys() == {"switch"}
    measured = stored["results"]["switch"]
    assert measured.keys() == {"asyncio", "fournil", "fournil+recording"}
    assert all(len(result["ns"]["rounds"]) == 3 for result in measured.values())


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="zuvloop may be installed")
def test_a_missing_peer_is_said(tmp_path: Path) -> None:
    ended = run("--loops", "zuvloop", "--json", str(tmp_path / "results.json"))
    assert ended.returncode == 2
    assert "not measured: zuvloop: needs CPython 3.14 or newer" in ended.stderr


def test_an_unknown_loop_is_refused() -> None:
    ended = run("--loops", "asyncio,gevent")
    assert ended.returncode == 2
    assert "'gevent' is none of" in ended.stderr


@pytest.mark.parametrize("name", COROUTINES)
@pytest.mark.parametrize("operations", [1, 99, 250])
def test_a_case_takes_any_number_of_operations(name: str, operations: int) -> None:
    async def measure() -> float:
        case = all_cases()[name]
        assert isinstance(case, Case)
        return await case.run(operations)

    assert asyncio.run(measure()) > 0


def test_interrupted_it_shows_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[float] = []

    def measure(*_: object) -> dict[str, float]:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(1000.0 + len(measured))
        return {"ns": measured[-1]}

    monkeypatch.setattr(benchmarks.run, "measure", measure)
    path = tmp_path / "results.json"
    assert main(["--only", "switch", "--loops", "asyncio", "--json", str(path)]) == 0
    shown = capsys.readouterr()
    assert "interrupted" in shown.err
    assert "2 rounds, stored in" in shown.err
    assert "a task switch" in shown.out
    rounds = json.loads(path.read_text())["results"]["switch"]["asyncio"]["ns"]["rounds"]
    assert rounds == [1000.0, 1001.0, *[None] * 7]
