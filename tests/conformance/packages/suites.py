"""Runs a package's tests on a loop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.conformance.packages.preparing import Place
from tests.conformance.packages.projects import Project
from tests.conformance.running import (
    ROOT,
    Ended,
    Outcomes,
    Progress,
    ended_with_its_group,
    what_happened,
)

SITE = Path(__file__).with_name("site")

TEST_SECONDS = 120.0
"""What a test may take, as far as its suite does not say."""


def run_suite(
    project: Project, place: Place, loop: str, only: Iterable[str] | None = None
) -> Outcomes:
    """Run a package's tests on a loop: all, or `only` these.

    A test that hangs or crashes ends the run, which begins anew without it.
    """
    outcomes: Outcomes = {}
    while True:
        progress, ended = _run_process(project, place, loop, only, [*outcomes])
        if progress.complete or progress.running is None:
            if not progress.complete:
                outcomes[f"{project.name} (the run itself)"] = what_happened(ended)
            return {**progress.outcomes, **outcomes}
        outcomes[progress.running] = what_happened(ended)


def _run_process(
    project: Project, place: Place, loop: str, only: Iterable[str] | None, without: list[str]
) -> tuple[Progress, Ended]:
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results, output = Path(folder, "results.jsonl"), Path(folder, "output.txt")
        tests = list(project.arguments) if only is None else [*_options(project), *only]
        command = [
            *(str(place.python), "-m", "pytest", "-q", "-p", "conformance_outcomes"),
            *("-p", "no:cacheprovider", *tests),
            *(f"--deselect={test}" for test in without),
        ]
        environment = os.environ | {
            "CONFORMANCE_LOOP": loop,
            "CONFORMANCE_RESULTS": str(results),
            "PYTHONPATH": os.pathsep.join([str(SITE), str(ROOT / "src")]),
        }
        with _server(project), output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=place.source,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with ended_with_its_group(process):
                status = _wait_while_it_moves(process, results)
        progress = Progress()
        if results.exists():
            progress.read(results.read_text(encoding="utf-8").splitlines())
        return progress, Ended(status, output.read_text(encoding="utf-8", errors="replace"))


def _options(project: Project) -> tuple[str, ...]:
    # The last of the arguments says where the tests are.
    return project.arguments[:-1]


def _wait_while_it_moves(process: subprocess.Popen[bytes], results: Path) -> int | None:
    moved, size = time.monotonic(), -1
    while time.monotonic() - moved < TEST_SECONDS:
        try:
            return process.wait(1.0)
        except subprocess.TimeoutExpired:
            now = results.stat().st_size if results.exists() else -1
            if now != size:
                moved, size = time.monotonic(), now
    # pytest has Python write all stacks then.
    process.send_signal(signal.SIGABRT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10.0)
    return None


@contextlib.contextmanager
def _server(project: Project) -> Iterator[None]:
    if not project.server:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="conformance-server-") as folder:
        process = subprocess.Popen(
            project.server, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True
        )
        with ended_with_its_group(process):
            _wait_for_port(int(project.server[-1]))
            yield


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10.0
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
