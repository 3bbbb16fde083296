"""Latencies at a load that each loop can bear: messages that come when they are due."""

from __future__ import annotations

from benchmarks.case import Service
from benchmarks.figures import EQUAL_LOAD
from benchmarks.load.echo import Echo

SIZE = 1024

CONNECTIONS = 50

RATES = {
    ("tcp", "protocol"): 10_000,
    ("tcp", "buffered"): 10_000,
    ("tcp", "readline"): 5_000,
    ("tcp", "readexactly"): 5_000,
    ("tcp", "sock"): 5_000,
    ("unix", "protocol"): 10_000,
    ("unix", "readline"): 5_000,
    ("udp", "datagrams"): 5_000,
    ("tls", "protocol"): 5_000,
}

DEFAULT = {("tcp", "protocol"), ("tcp", "readline")}


def equal_load(over: str, server: str, rate: int) -> Service:
    return Service(
        name=f"{over}-{server}-1KiB-50-at-{rate}",
        title=f"{over.upper()} {server} 1KiB x 50, {rate:,} a second",
        server=server,
        over=over,
        load=Echo(SIZE, CONNECTIONS, tls=over == "tls", rate=rate),
        size=SIZE,
        kind=EQUAL_LOAD,
        floor=over in ("tcp", "unix"),
        default=(over, server) in DEFAULT,
    )


CASES = [equal_load(over, server, rate) for (over, server), rate in RATES.items()]
