"""What else the machine did while a program ran on it, as far as the system tells."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")

BUSY_SHARE = 0.05
"""A machine of whose cores others took more than this share was not the program's alone."""

THROTTLED_SHARE = 0.05
"""So much of a run a quota may have held it up."""

MOST_NAMED = 3
LEAST_NAMED = 0.05
"""So many other programs are named, of those that kept at least so much of a core busy."""

Process = tuple[int, str]
"""A process: its number and when it began."""


class Moment(NamedTuple):
    """The system's counters at one moment, in seconds, of the cores that we may use."""

    time: float
    busy: float
    idle: float
    stolen: float  # by other machines on the same processor
    own: float  # of this process, and of its children that ended
    throttled: float  # by a quota of the cgroup
    processes: dict[Process, tuple[str, float]]  # what each is called, and has used


class Use(NamedTuple):
    """How a machine was used for a while; where nothing else is said, means, in cores."""

    cores: int
    idle: float
    others: float  # kept busy by other programs
    stolen: float
    throttled: float  # the share of the time that a quota held our program up
    names: list[tuple[str, float]]  # other programs, the busiest first
    own_s: float  # the processor time that our program took, in seconds

    @property
    def was_shared(self) -> bool:
        """Whether our program may have wanted a core that it did not get."""
        taken = self.others + self.stolen > BUSY_SHARE * self.cores and self.idle < 1
        return taken or self.throttled > THROTTLED_SHARE

    def __str__(self) -> str:
        return "; ".join(self._told()) or "nothing else kept the machine busy"

    def _told(self) -> Iterator[str]:
        if self.others > 0.005:
            named = ", ".join(f"{name} {cores:.1f}" for name, cores in self.names)
            of = f"other programs kept {self.others:.1f} of its {self.cores} cores busy"
            yield of + (f" ({named})" if named else "")
        if self.stolen > 0.005:
            yield f"other machines on the same processor took {self.stolen:.1f} cores"
        if self.throttled > 0.005:
            yield f"a quota held it up for {self.throttled:.0%} of the time"


def now() -> Moment | None:
    """Return the counters as they are; None where the system does not tell them."""
    cores = os.sched_getaffinity(0)
    tick = os.sysconf("SC_CLK_TCK")
    try:
        lines = (PROC / "stat").read_text().splitlines()
    except OSError:
        return None
    counters = [0] * 8
    for line in lines:
        name, *fields = line.split()
        if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in cores:
            counters = [sum(pair) for pair in zip(counters, map(int, fields), strict=False)]
    user, nice, system, idle, waiting, irq, softirq, stolen = (ticks / tick for ticks in counters)
    return Moment(
        time=time.monotonic(),
        busy=user + nice + system + irq + softirq,
        idle=idle + waiting,
        stolen=stolen,
        own=sum(os.times()[:4]),
        throttled=_throttled(),
        processes={process: (name, used / tick) for process, name, used in _processes()},
    )


def between(first: Moment, last: Moment) -> Use:
    """Return how the machine was used between two moments."""
    seconds = last.time - first.time
    cores: defaultdict[str, float] = defaultdict(float)
    for process, (name, used) in last.processes.items():
        if process[0] != os.getpid():
            _, before = first.processes.get(process, ("", 0.0))
            cores[name] += (used - before) / seconds
    names = sorted(cores.items(), key=lambda pair: -pair[1])[:MOST_NAMED]
    return Use(
        cores=len(os.sched_getaffinity(0)),
        idle=(last.idle - first.idle) / seconds,
        others=max(0.0, last.busy - first.busy - (last.own - first.own)) / seconds,
        stolen=(last.stolen - first.stolen) / seconds,
        throttled=(last.throttled - first.throttled) / seconds,
        names=[(name, used) for name, used in names if used >= LEAST_NAMED],
        own_s=last.own - first.own,
    )


def _processes() -> Iterator[tuple[Process, str, int]]:
    for path in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            number, _, rest = path.read_text(errors="replace").partition(" (")
            # A name may hold anything, also a parenthesis.
            name, _, fields = rest.rpartition(") ")
            values = fields.split()
            yield (int(number), values[19]), name, int(values[11]) + int(values[12])


def _throttled() -> float:
    with suppress(OSError, ValueError, StopIteration):
        own = (PROC / "self" / "cgroup").read_text().splitlines()
        group = next(line[4:] for line in own if line.startswith("0::/"))
        fields = dict(map(str.split, (CGROUPS / group / "cpu.stat").read_text().splitlines()))
        return int(fields["throttled_usec"]) / 1e6
    return 0.0
