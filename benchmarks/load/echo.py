"""The load in C: connections that send a message, wait for its echo, and send again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

from benchmarks.case import Server
from benchmarks.errors import MeasurementError
from benchmarks.figures import Measurement
from benchmarks.load.compiled import compiled, why_not_compiled, with_tls
from benchmarks.load.output import output
from benchmarks.pinned import pinned
from benchmarks.plan import Settings

SLACK_S = 60
"""To open connections in, and to notice a server that does not answer."""


@dataclass(frozen=True)
class Echo:
    """A closed loop of echoes, or an open one at a given rate.

    Attributes:
        size: of a message, in bytes.
        connections: how many are active.
        tls: over TLS.
        reconnect: an operation is: connect, one echo, close.
        path: an HTTP request for it in place of a message, and the answer in place of its echo.
        rate: how many messages a second in all; 0: each follows the echo of the one before.
    """

    size: int
    connections: int
    tls: bool = False
    reconnect: bool = False
    path: str = ""
    rate: int = 0

    def missing(self) -> str | None:
        if self.tls and not with_tls():
            return "OpenSSL's headers (libssl-dev) are not installed"
        if self.tls and shutil.which("openssl") is None:
            return "openssl is not installed: it makes the certificate"
        return why_not_compiled("load")

    def arguments(self) -> list[str]:
        flags = {"--tls": self.tls, "--reconnect": self.reconnect}
        message = ("--http", self.path) if self.path else ("--size", str(self.size))
        return [
            *message,
            *("--connections", str(self.connections), "--rate", str(self.rate)),
            *(flag for flag, given in flags.items() if given),
        ]

    def command(self, server: Server, settings: Settings, *extra: str) -> list[str]:
        load = [str(compiled("load")), server.address, "--server", str(server.pid)]
        return pinned(settings.load_core, [*load, *self.arguments(), *extra])

    def run(self, server: Server, settings: Settings) -> Measurement:
        timed = ["--warmup", str(settings.warmup), "--seconds", str(settings.window)]
        return figures(
            output(
                self.command(server, settings, *timed), settings.warmup + settings.window + SLACK_S
            )
        )

    def count(self, server: Server, settings: Settings, operations: int) -> int:
        """Return how many operations there were: as many, or one turn's more."""
        limit = ["--operations", str(operations)]
        printed = output(self.command(server, settings, *limit), SLACK_S)
        done: int = json.loads(printed)["operations"]
        return done


def figures(printed: str) -> Measurement:
    said = json.loads(printed)
    if not said["operations"]:
        raise MeasurementError("no operation was completed while it was measured")
    latency = said["latency_us"]
    return {
        "per_second": said["operations"] / said["seconds"],
        "p50_us": latency["p50"],
        "p99_us": latency["p99"],
        "p999_us": latency["p99.9"],
        "cpu_us": said["server_cpu_us"],
        "lost": said["lost"],
    }
