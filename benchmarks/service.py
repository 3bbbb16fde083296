"""Measuring a service: its server in a fresh process on one core, its load on another."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.case import Service
from benchmarks.errors import MeasurementError, UnableError
from benchmarks.figures import Measurement
from benchmarks.load.compiled import compiled
from benchmarks.loops import Loop
from benchmarks.pinned import pinned
from benchmarks.plan import Settings
from benchmarks.reason import reason

ROOT = Path(__file__).parents[1]

TO_END_S = 10
"""What a server may take to end: with thousands of connections, it has to close each."""


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    address: str
    pid: int


def measure(case: Service, loop: Loop, settings: Settings) -> Measurement:
    """Raise MeasurementError, or UnableError if the loop does not have what the case needs."""
    with running(case, loop, settings) as server:
        return case.load.run(server, settings)


@contextlib.contextmanager
def running(
    case: Service, loop: Loop, settings: Settings, under: Sequence[str] = ()
) -> Iterator[Running]:
    """Run the server, as the argument of another program's if there is one."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        errors = stack.enter_context(tempfile.TemporaryFile("w+"))
        if loop.program:
            at = f"unix:{folder}/socket" if case.over == "unix" else "tcp:0"
            command = pinned(settings.core, [*under, str(compiled(loop.program)), at])
        else:
            command = [*under, sys.executable, "-m", "benchmarks.serve", case.name, loop.name]
            command.append(json.dumps(dataclasses.asdict(settings)))
        process = stack.enter_context(
            subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        )
        try:
            yield Running(address(process, loop), process.pid)
        except MeasurementError as error:
            end(process)
            raise MeasurementError(f"{error}; {said(errors)}") from None
        finally:
            end(process)


def address(process: subprocess.Popen[str], loop: Loop) -> str:
    assert process.stdout
    line = process.stdout.readline().strip()
    if not line:
        raise MeasurementError("the server did not start")
    if loop.program:
        return line
    answer: dict[str, str] = json.loads(line)
    if "unable" in answer:
        raise UnableError(answer["unable"])
    return answer["address"]


def end(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(TO_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def said(errors: IO[str]) -> str:
    errors.seek(0)
    return f"the server: {reason(errors.read())}"
