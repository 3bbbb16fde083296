"""HTTP requests by wrk."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case import Server
from benchmarks.errors import MeasurementError
from benchmarks.figures import Measurement
from benchmarks.load.echo import Echo
from benchmarks.load.output import output
from benchmarks.pinned import pinned
from benchmarks.plan import Settings
from benchmarks.proc import processor_time

SCRIPT = Path(__file__).with_suffix(".lua")

SLACK_S = 30


@dataclass(frozen=True)
class Wrk:
    """A closed loop of requests for one path.

    Attributes:
        path: what is asked for.
        connections: how many ask at a time.
    """

    path: str
    connections: int

    def missing(self) -> str | None:
        return None if shutil.which("wrk") else "wrk is not installed"

    def run(self, server: Server, settings: Settings) -> Measurement:
        # It takes whole seconds. There is no warm-up: its share of a second is small.
        seconds = max(1, round(settings.window))
        url = f"http://127.0.0.1:{server.address.removeprefix('tcp:')}{self.path}"
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "-s", str(SCRIPT), url]
        before = processor_time(server.pid)
        printed = output(pinned(settings.load_core, command), seconds + SLACK_S)
        return figures(printed, processor_time(server.pid) - before)

    def count(self, server: Server, settings: Settings, operations: int) -> int:
        """As a load of ours does: wrk cannot be told a number."""
        ours = Echo(0, self.connections, path=self.path)
        return ours.count(server, settings, operations)


def figures(printed: str, cpu: float) -> Measurement:
    said = json.loads(printed.splitlines()[-1])
    if said["errors"]:
        raise MeasurementError(f"{said['errors']} of {said['operations']} requests failed")
    if not said["operations"]:
        raise MeasurementError("no request was answered")
    return {
        "per_second": said["operations"] / said["seconds"],
        "p50_us": said["p50"],
        "p99_us": said["p99"],
        "p999_us": said["p99.9"],
        "cpu_us": cpu / said["operations"] * 1e6,
    }
