"""What was measured where: the machine, the Python, the versions."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.backing import debian_postgres
from benchmarks.case import Case, all_cases
from benchmarks.loops import LOOPS


def environment() -> dict[str, object]:
    """Return what a reader needs to compare two runs; what is unknown is None."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load": [round(load, 2) for load in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
        "versions": {name: version(name) for name in distributions()},
        "tools": {name: tool_version(command) for name, command in tools().items()},
        "commit": commit(),
    }


def distributions() -> list[str]:
    loops = {loop.distribution for loop in LOOPS.values() if loop.distribution}
    needed = {
        name for case in all_cases().values() if not isinstance(case, Case) for name in case.needs
    }
    return sorted(loops | needed)


def tools() -> dict[str, list[str]]:
    """Return how each program that is not Python's says its version."""
    return {
        "gcc": ["gcc", "--version"],
        "openssl": ["openssl", "version"],
        "postgres": [debian_postgres("postgres") or "postgres", "--version"],
        "redis-server": ["redis-server", "--version"],
        "wrk": ["wrk", "-v"],
    }


def tool_version(command: list[str]) -> str | None:
    try:
        # wrk says its version, its usage, and that it failed.
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return next(iter(run.stdout.splitlines()), None)


def cpu_model() -> str | None:
    for line in (read("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return None


def read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        run = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()
