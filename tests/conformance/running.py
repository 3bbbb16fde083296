"""Runs a test module on a loop in processes of its own; hangs and crashes become outcomes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.conformance.child import Order
from tests.conformance.suite import ASYNCIO, Suite

ROOT = Path(__file__).parents[2]

MODULE_SECONDS = 600.0
"""What a module may take, should a test hang that the process itself cannot end."""

# What the environment may say that changes what asyncio's tests see.
FOREIGN = re.compile("PYTHONASYNCIODEBUG|PYTHONDEVMODE|PYTHONWARNINGS|FOURNIL_.*")


class Outcome(NamedTuple):
    """How a test ended."""

    state: str  # passed, failed, skipped, failed as expected, hung, crashed, not run
    detail: str = ""
    seconds: float = 0.0
    loops: int = 0
    """How many of our loops it made."""

    @property
    def last_line(self) -> str:
        """What the traceback ends with."""
        lines = [line for line in self.detail.splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


Outcomes = dict[str, Outcome]


@dataclass
class Progress:
    """What one process wrote down before it ended."""

    collected: list[str] = field(default_factory=list)
    running: str | None = None
    outcomes: Outcomes = field(default_factory=dict)
    complete: bool = False

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            fields = json.loads(line)
            if "collected" in fields:
                self.collected = fields["collected"]
            elif "began" in fields:
                self.running = fields["began"]
            elif "ended" in fields:
                self.running = None
                test = fields.pop("ended")
                self.outcomes[test] = Outcome(**fields)
            else:
                self.complete = fields["complete"]


class Ended(NamedTuple):
    """The end of a process."""

    status: int | None  # None: it was killed, for want of an end
    output: str


def run_module(
    module: str, loop: str, only: Iterable[str] | None = None, suite: Suite = ASYNCIO
) -> Outcomes:
    """Run a module's tests on a loop: all, or `only` these classes and tests.

    A test that hangs or crashes costs only itself: the others run in a new process.
    """
    outcomes: Outcomes = {}
    chosen = None if only is None else sorted(only)
    while True:
        progress, ended = _run_process(
            Order(module, loop, "", chosen, tuple(sorted(outcomes)), suite)
        )
        outcomes |= progress.outcomes
        if progress.complete and ended.status == 0:
            return _with_missing(outcomes, progress.collected)
        culprit = progress.running
        if progress.complete or culprit is None:
            place = "end" if progress.complete else "between two tests"
            outcomes[f"{module} ({place})"] = what_happened(ended)
            return _with_missing(outcomes, progress.collected)
        outcomes[culprit] = what_happened(ended)


def _with_missing(outcomes: Outcomes, collected: Iterable[str]) -> Outcomes:
    # A class whose set-up fails, or skips, does not begin its tests.
    return outcomes | {
        test: Outcome("not run", "its class or module was not set up")
        for test in collected
        if test not in outcomes
    }


def what_happened(ended: Ended) -> Outcome:
    """Return the outcome of the test that a process ended with."""
    if ended.status is None or "Timeout (" in ended.output:
        return Outcome("hung", ended.output)
    if ended.status < 0:
        end = f"the process died of {signal.Signals(-ended.status).name}"
    else:
        end = f"the process ended with status {ended.status}"
    return Outcome("crashed", f"{ended.output}\n{end}")


def _run_process(order: Order) -> tuple[Progress, Ended]:
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = Path(folder, "results.jsonl")
        ended = _wait_for(order._replace(results=str(results)), folder)
        progress = Progress()
        if results.exists():
            progress.read(results.read_text(encoding="utf-8").splitlines())
        return progress, ended


def _wait_for(order: Order, folder: str) -> Ended:
    environment = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), order.suite.folder]))
    output = Path(folder, "output.txt")
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                *("-W", "default", "-m", "tests.conformance.child"),
                json.dumps(order._asdict()),
            ],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with ended_with_its_group(process):
            try:
                status: int | None = process.wait(MODULE_SECONDS)
            except subprocess.TimeoutExpired:
                status = None
    return Ended(status, output.read_text(encoding="utf-8", errors="replace"))


@contextlib.contextmanager
def ended_with_its_group(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Kill a process, which leads a group, and the group at the end."""
    try:
        yield
    finally:
        # Also what a test that hung or crashed had started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
