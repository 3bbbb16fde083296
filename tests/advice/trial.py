"""Tries programs: records each, makes the edits of its advice, records it again, compares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

from fournil.observe.advice.advisor import Advice
from fournil.observe.advice.edits import apply
from fournil.observe.report.findings import Finding, Report
from fournil.observe.report.publish import load
from tests.advice.others import BUSY, Others

ROOT = Path(__file__).parents[2]
MARK = "# blocks"
FREE = 0.5
"""The loop is free if it is blocked for less than this share of the time that it was before.

Or, where it computed, if its thread uses less than this share of the CPU time that it used: on a
busy machine, it is blocked for longer than it runs.
"""

SLOW_MODULE = """\
answer = 0
for number in range(1_500_000):
    answer += number
"""


@dataclass(frozen=True)
class Program:
    """A program that blocks, and what is expected of its advice.

    Attributes:
        rule: the name of the rule that speaks, or of those that may.
        text: the program, with `# blocks` on the line that the rule is about.
        mended: the same by hand; empty: the rule's own edits are made.
        says: what the sentence says, in any place.
        needs: a module that it needs and that may not be installed.
    """

    name: str
    rule: str
    text: str
    mended: str = ""
    says: str = ""
    needs: str = ""

    @property
    def can_run(self) -> bool:
        return not self.needs or find_spec(self.needs) is not None

    @property
    def line(self) -> int:
        (line,) = (at for at, text in enumerate(self.text.splitlines(), 1) if MARK in text)
        return line


@dataclass(frozen=True)
class Result:
    """What came of a program."""

    program: Program
    advice: Advice | None
    wrong: str  # what went wrong; empty: nothing
    was_quiet: bool = True  # False: others used the machine, and what is wrong may be theirs
    before_s: float = 0.0
    after_s: float = 0.0
    told_s: tuple[float, float] | None = None  # what the run would take, as the advice told
    blocked_before_s: float = 0.0
    blocked_after_s: float = 0.0


def try_all(programs: Sequence[Program], folder: Path) -> list[Result]:
    """Run programs, and run them again as their advice says."""
    before, after = folder / "before", folder / "after"
    for place in (before, after):
        place.mkdir(parents=True)
        for name in ("slow_module", "other_slow_module"):
            (place / f"{name}.py").write_text(SLOW_MODULE)
    for program in programs:
        (before / f"{program.name}.py").write_text(dedent(program.text))
    ran = _run_all(before, programs)
    results: dict[str, Result] = {}
    advices: dict[str, Advice] = {}
    for program in programs:
        others = Others()
        report = load(str(before / f"{program.name}.fournil"))
        finding = _finding(report, before / f"{program.name}.py", program.line)
        advice = finding.advice if finding else None
        if wrong := _wrong_advice(program, report, advice, ran[program.name]):
            is_quiet = "raised" in ran[program.name] or ran[program.name]["others"] < BUSY
            results[program.name] = Result(program, advice, wrong, is_quiet)
            continue
        assert advice
        advices[program.name] = advice
        # What starting a process costs was measured just now.
        ran[program.name]["others"] = max(ran[program.name]["others"], others.share)
        text = dedent(program.mended) or apply(dedent(program.text), advice.edits)
        (after / f"{program.name}.py").write_text(text)
    mended = _run_all(after, [program for program in programs if program.name in advices])
    for program in programs:
        if program.name in advices:
            results[program.name] = _compare(
                program, advices[program.name], before, after, ran, mended
            )
    return [results[program.name] for program in programs]


def _run_all(folder: Path, programs: Sequence[Program]) -> dict[str, dict[str, Any]]:
    """Run programs of a folder in few processes; those that need packages each in its own.

    What a package takes to be imported is a part of its program's start-up.
    """
    found = _run(folder, [program.name for program in programs if not program.needs])
    for program in programs:
        if program.needs:
            found |= _run(folder, [program.name])
    return found


def _run(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Run the programs of a folder in one process, and those after one that ends it in another."""
    left = list(names)
    found: dict[str, dict[str, Any]] = {}
    while left:
        command = [sys.executable, "-m", "tests.advice.run", str(folder), *left]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
        for told in map(json.loads, done.stdout.splitlines()):
            found[told["name"]] = told
        left = [name for name in left if name not in found]
        if left and done.returncode:
            error = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            found[left[0]] = {"name": left[0], "raised": error[0]}
            del left[0]
    return found


def _finding(report: Report, file: Path, line: int) -> Finding | None:
    """Return what was found of a program: of its marked line, or else the greatest.

    Of a loop's lines, chance decides which is seen most often.
    """
    found = [
        (any(frame.line == line for frame in frames), finding)
        for finding in report.findings
        for frames in [(finding.group.culprit, *finding.group.frames)]
        if any(frame.file == str(file) for frame in frames)
    ]
    return max(found, key=lambda item: item[0])[1] if found else None


def _wrong_advice(
    program: Program, report: Report, advice: Advice | None, ran: Mapping[str, Any]
) -> str:
    if "raised" in ran:
        return f"the program itself raised {ran['raised']}"
    if advice is None:
        seen = [f"{finding.group.culprit}" for finding in report.findings]
        return f"no advice on line {program.line}; seen: {seen}"
    if advice.rule not in program.rule.split("|"):
        return f"rule {advice.rule!r} spoke: {advice.text}"
    if program.says and program.says not in advice.text:
        return f"it does not say {program.says!r}: {advice.text}"
    if not program.mended and not advice.edits:
        return f"it has no edits: {advice.text}"
    return ""


def _compare(
    program: Program,
    advice: Advice,
    before: Path,
    after: Path,
    ran: Mapping[str, Mapping[str, Any]],
    mended: Mapping[str, Mapping[str, Any]],
) -> Result:
    first, second = ran[program.name], mended[program.name]
    if "raised" in second:
        text = (after / f"{program.name}.py").read_text()
        return Result(program, advice, f"mended, it raised {second['raised']}\n{text}")
    if not program.mended and first["value"] != second["value"]:
        wrong = f"mended, it returned {second['value']} in place of {first['value']}"
        return Result(program, advice, wrong)
    blocked, still = (
        max(_longest(folder / f"{program.name}.fournil"), default=0.0) for folder in (before, after)
    )
    told_s = None
    if advice.range_s is not None:
        # The recording also covers what ran before and after the loop.
        besides_s = load(str(before / f"{program.name}.fournil")).recording.run_s - first["seconds"]
        told_s = advice.range_s[0] - besides_s, advice.range_s[1] - besides_s
    wrong, is_quiet = "", max(first["others"], second["others"]) < BUSY
    computes = first["cpu_s"] > FREE * blocked
    is_free = computes and second["cpu_s"] < FREE * first["cpu_s"]
    if still > FREE * blocked and not is_free:
        wrong = f"mended, it is blocked for {still:.3f} s, before for {blocked:.3f} s"
    elif told_s and not program.mended:
        low, high = told_s
        if not low <= second["seconds"] <= high:
            took = f"mended, it took {second['seconds']:.3f} s"
            wrong = f"{took}; told were {low:.3f} to {high:.3f} s"
    seconds = first["seconds"], second["seconds"]
    return Result(program, advice, wrong, is_quiet, *seconds, told_s, blocked, still)


def _longest(path: Path) -> Iterator[float]:
    return (loop.longest_s for loop in load(str(path)).recording.loops)
