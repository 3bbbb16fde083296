"""What Linux says about another process: its memory, its processor time."""

from __future__ import annotations

import time
from pathlib import Path

LOOKS = 5
"""How many times in a row a process has to be asleep: between two waits it may be for once."""


def memory(pid: int) -> int:
    """Return the bytes of memory that a process alone has written to."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return int(fields["Private_Dirty"].split()[0]) * 1024


def processor_time(pid: int) -> float:
    """Return the seconds that all threads of a process ran."""
    # Linux makes a process's clock from its id: clock_getcpuclockid, which Python has not.
    return time.clock_gettime((~pid << 3) | 2)


def wait_until_asleep(pid: int) -> None:
    """Wait until all threads of a process wait for something themselves."""
    seen = 0
    while seen < LOOKS:
        asleep = all(
            # The name before the state may hold anything, a closing bracket too.
            stat.read_text().rpartition(") ")[2][0] == "S"
            for stat in Path(f"/proc/{pid}/task").glob("*/stat")
        )
        seen = seen + 1 if asleep else 0
        time.sleep(0.02)


def share_of_processor(pid: int, seconds: float) -> float:
    """Return the share of that time, from now on, that a process runs."""
    started, before = time.perf_counter(), processor_time(pid)
    time.sleep(seconds)
    return (processor_time(pid) - before) / (time.perf_counter() - started)
