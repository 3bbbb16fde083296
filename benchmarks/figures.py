"""What is measured of a case, and which way is better. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number of a measurement.

    Attributes:
        name: as stored.
        title: in the table.
        digits: how many the table shows after the point.
        more_is_better: whether a ratio above 1 is an advantage.
        compared: whether the table shows its ratio to the baseline's.
    """

    name: str
    title: str
    digits: int = 0
    more_is_better: bool = False
    compared: bool = False


@dataclass(frozen=True)
class Kind:
    """What is measured of one kind of case.

    Attributes:
        title: what the figures are of.
        main: the figure that is compared with the baseline's.
        others: figures that are shown beside it.
        added_in_percent: whether what a loop adds to another is a share of it, or a difference.
    """

    title: str
    main: Figure
    others: tuple[Figure, ...] = ()
    added_in_percent: bool = True

    @property
    def figures(self) -> tuple[Figure, ...]:
        return (self.main, *self.others)


Measurement = Mapping[str, float]
"""The figures of one measurement, by name."""

PER_SECOND = Figure("per_second", "a second", more_is_better=True)
P50 = Figure("p50_us", "p50 us")
P99 = Figure("p99_us", "p99 us")
P999 = Figure("p999_us", "p99.9 us")
CPU = Figure("cpu_us", "cpu us", digits=2, compared=True)
LOST = Figure("lost", "lost")
COUNTED = Figure("instructions", "an operation")
MEMORY = Figure("connection_bytes", "bytes a connection")
IDLE_CPU = Figure("idle_cpu_percent", "idle cpu %", digits=2)

OPERATION = Kind("time of an operation", Figure("ns", "ns"), added_in_percent=False)
CLIENT = Kind("throughput of a client", PER_SECOND, (P50, P99, P999, CPU))
SERVICE = Kind("throughput of a server", PER_SECOND, (P50, P99, P999, CPU))
DATAGRAMS = Kind("throughput of a server of datagrams", PER_SECOND, (P50, P99, P999, LOST, CPU))
EQUAL_LOAD = Kind("latency at equal load", P99, (P50, P999, PER_SECOND, CPU))
INSTRUCTIONS = Kind("instructions of a server in user space", COUNTED)
CROWD = Kind("memory of idle connections", MEMORY, (IDLE_CPU, PER_SECOND, P50, P99, P999))
