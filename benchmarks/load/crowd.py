"""Ten thousand connections of which few are active: what each costs, and whom it slows down."""

from __future__ import annotations

import dataclasses
import math
import resource
import subprocess

from benchmarks.case import Server
from benchmarks.errors import MeasurementError
from benchmarks.figures import Measurement
from benchmarks.load.echo import SLACK_S, Echo, figures
from benchmarks.plan import Settings
from benchmarks.proc import memory, share_of_processor

OTHER_FILES = 100


@dataclasses.dataclass(frozen=True)
class Crowd(Echo):
    """Echoes over some connections, beside others that echo once and are idle from then on.

    Attributes:
        idle: how many are.
    """

    idle: int = 0

    def missing(self) -> str | None:
        _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = self.idle + self.connections + OTHER_FILES
        if allowed < needed:
            return f"needs {needed} open files, the limit (ulimit -Hn) is {allowed}"
        return super().missing()

    def run(self, server: Server, settings: Settings) -> Measurement:
        timed = ["--warmup", str(settings.warmup), "--seconds", str(settings.window)]
        command = self.command(server, settings, *timed, "--idle", str(self.idle))
        grown = idle_cpu = math.nan
        before = memory(server.pid)
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as load:
            assert load.stdout
            if load.stdout.readline() == "idle\n":
                grown = memory(server.pid) - before
                idle_cpu = share_of_processor(server.pid, settings.window)
            printed, errors = load.communicate("go\n", SLACK_S)
        if load.returncode != 0:
            raise MeasurementError(f"the load ended: {errors.strip()}")
        return {
            **figures(printed),
            "connection_bytes": grown / self.idle,
            "idle_cpu_percent": idle_cpu * 100,
        }
