"""Runs whole programs under `fournil run`, and judges its report by the marks in their source."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

SCRIPTS = Path(__file__).parent
HARMLESS = "harmless"
TIMEOUT = 120

MARK = re.compile(r"# blocks: ([\w|-]+)(, also)?$")
ANYWHERE = re.compile(r"^# blocks: ([\w|-]+)$")
"""A mark on a line of its own: no line is to blame."""

NOT_THE_CODES = frozenset({"starved"})
"""Classes that say that the machine was slow, and blame no line."""


class Place(NamedTuple):
    """Lines of which one is to be named; none: whichever."""

    lines: frozenset[int]
    classes: frozenset[str]

    def is_named_by(self, entry: Entry) -> bool:
        return entry.kind in self.classes and (not self.lines or entry.line in self.lines)

    def __str__(self) -> str:
        return f"{'|'.join(sorted(self.classes))} at {sorted(self.lines) or 'no line'}"


class Entry(NamedTuple):
    """What a report says of one line."""

    kind: str
    file: str
    line: int
    total_s: float
    delayed: int

    def __str__(self) -> str:
        return f"{self.kind} at {Path(self.file).name}:{self.line} for {self.total_s:.3f} s"


class Script(NamedTuple):
    """A program of the corpus."""

    path: Path

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def is_harmless(self) -> bool:
        return self.path.parent.name == HARMLESS

    @property
    def missing(self) -> list[str]:
        """The modules that it imports and that are not installed."""
        nodes = ast.walk(ast.parse(self.path.read_text()))
        names: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
        return sorted(name for name in names if importlib.util.find_spec(name) is None)

    @property
    def places(self) -> list[Place]:
        """What is to be named."""
        found: list[Place] = []
        for number, text in enumerate(self.path.read_text().splitlines(), 1):
            if mark := ANYWHERE.search(text):
                found.append(Place(frozenset(), frozenset(mark[1].split("|"))))
            elif mark := MARK.search(text):
                place = Place(frozenset([number]), frozenset(mark[1].split("|")))
                if found and found[-1].classes == place.classes and not mark[2]:
                    place = place._replace(lines=found.pop().lines | place.lines)
                found.append(place)
        return found


class Outcome(NamedTuple):
    """What one run of a program showed."""

    script: Script
    wrong: str  # "": it was right
    entries: list[Entry]

    def __str__(self) -> str:
        said = "; ".join(map(str, self.entries[:4])) or "nothing"
        return f"{self.script.name}: {self.wrong}; said: {said}"


def scripts() -> list[Script]:
    return [Script(path) for path in sorted(SCRIPTS.glob("*/*.py"))]


def run(script: Script, keep: Path | None = None) -> Outcome:
    """Run a program under `fournil run`; return what its report says.

    Args:
        script: the program.
        keep: a folder for its report and its recording, where that is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = (keep or Path(folder)) / f"{script.name.replace('/', '-')}.json"
        command = [sys.executable, "-m", "fournil", "run", "--no-report", "--json", str(told)]
        if keep:
            command += ["--record", str(told.with_suffix(".fournil"))]
        done = subprocess.run(
            [*command, str(script.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )
        if done.returncode:
            return Outcome(script, f"it failed: {done.stdout[-500:]}", [])
        report = json.loads(told.read_text())
    entries = [_entry(entry) for entry in report["blocked"]]
    wrong = judge(script, entries)
    if keep and not wrong:
        for path in keep.glob(f"{told.stem}.*"):
            path.unlink()
    return Outcome(script, wrong, entries)


def _entry(entry: dict[str, Any]) -> Entry:
    return Entry(
        entry["class"] or "unknown",
        entry["file"],
        entry["line"],
        entry["total_s"],
        entry["delayed"]["steps"],
    )


def judge(script: Script, entries: Iterable[Entry]) -> str:
    """Return what is wrong with what was said of a program."""
    entries = [entry for entry in entries if entry.kind not in NOT_THE_CODES]
    if script.is_harmless:
        # What delayed nobody is told as such.
        alarms = [one for one in entries if one.delayed]
        return f"a false alarm: {alarms[0]}" if alarms else ""
    rest = list(script.places)
    for entry in entries[: len(rest)]:
        place = next((place for place in rest if place.is_named_by(entry)), None)
        if place is None or (place.lines and entry.file != str(script.path)):
            return f"{entry} is not {' or '.join(map(str, rest))}"
        rest.remove(place)
    return f"not seen: {rest[0]}" if rest else ""
