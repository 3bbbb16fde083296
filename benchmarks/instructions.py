"""Counting the instructions that a server takes for one operation, by callgrind.

They are those of user space, as of `perf stat -e instructions:u`; callgrind, since virtual
machines seldom have a processor's counters. The count of many operations less that of fewer is
what more operations took: what connections cost to open and to close is on both sides.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.case import Service
from benchmarks.errors import MeasurementError
from benchmarks.figures import Measurement
from benchmarks.load.crowd import Crowd
from benchmarks.load.echo import Echo
from benchmarks.load.wrk import Wrk
from benchmarks.loops import Loop
from benchmarks.plan import Settings
from benchmarks.proc import wait_until_asleep
from benchmarks.service import Running, running


def why_not_counted(case: Service) -> str | None:
    """Return why its instructions cannot be counted here; None: they can."""
    if shutil.which("callgrind_control") is None:
        return "valgrind is not installed"
    if isinstance(case.load, Crowd) or (isinstance(case.load, Echo) and case.load.rate):
        return "instructions are counted in a closed loop alone, with no idle connections"
    return None


def measure(case: Service, loop: Loop, settings: Settings) -> Measurement:
    assert isinstance(case.load, Echo | Wrk)
    some = max(1000, 4 * case.load.connections)
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder, "counts")
        under = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
        with running(case, loop, settings, under) as server:
            # The first turns specialize the interpreter's code.
            dumped(case.load, server, settings, some)
            done = dumped(case.load, server, settings, some)
            done_more = dumped(case.load, server, settings, 3 * some)
            fewer, more = (summary(counts.with_suffix(f".{number}")) for number in (2, 3))
    return {"instructions": (more - fewer) / (done_more - done)}


def dumped(load: Echo | Wrk, server: Running, settings: Settings, operations: int) -> int:
    """Return how many operations there were, when their instructions have been written down."""
    done = load.count(server, settings, operations)
    wait_until_asleep(server.pid)
    subprocess.run(
        ["callgrind_control", "--dump", str(server.pid)], check=True, capture_output=True
    )
    return done


def summary(path: Path) -> int:
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "summary":
            return int(value)
    raise MeasurementError(f"callgrind wrote no summary to {path.name}")
