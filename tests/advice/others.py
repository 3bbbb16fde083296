"""What other programs take of the machine meanwhile: what is measured then says nothing."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

BUSY = 0.1
"""With this share of all processors used by others, a machine is not quiet."""

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


class Others:
    """What other programs use of the processors, from now on.

    `share` is of all processors that this process may use: 0 to 1.
    """

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._all_s, self._own_s = _used_s(), own_s()

    @property
    def share(self) -> float:
        all_s, own = _used_s() - self._all_s, own_s() - self._own_s
        room = (time.perf_counter() - self._begin) * len(os.sched_getaffinity(0))
        return max(0.0, all_s - own) / max(room, 1e-9)


def own_s() -> float:
    """Return how much CPU time this process and all that it started have used so far."""
    used: dict[int, float] = {}
    children = defaultdict(list)
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            children[int(fields[1])].append(int(folder.name))
            # Its own, and of its children that it waited for.
            used[int(folder.name)] = sum(map(int, fields[11:15])) / TICKS
    total, pending = 0.0, [os.getpid()]
    while pending:
        pid = pending.pop()
        total += used.get(pid, 0.0)
        pending += children[pid]
    return total


def _used_s() -> float:
    """Return how long the processors were busy so far, with whatever it was."""
    own = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    total = 0
    for line in (PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name in own:
            user, nice, system, _idle, _iowait, irq, soft, steal = map(int, fields[:8])
            total += user + nice + system + irq + soft + steal
    return total / TICKS
