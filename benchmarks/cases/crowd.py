"""Ten thousand idle connections, and a hundred that are active."""

from __future__ import annotations

from benchmarks.case import Service
from benchmarks.figures import CROWD
from benchmarks.load.crowd import Crowd

IDLE = 10_000

ACTIVE = 100

SIZE = 64


def crowd(over: str, server: str, *, default: bool = False) -> Service:
    return Service(
        name=f"crowd-{over}-{server}",
        title=f"{over.upper()} {server} 64B x {ACTIVE}, and {IDLE:,} idle",
        server=server,
        over=over,
        load=Crowd(SIZE, ACTIVE, tls=over == "tls", idle=IDLE),
        size=SIZE,
        kind=CROWD,
        floor=over == "tcp",
        default=default,
    )


CASES = [
    crowd("tcp", "protocol", default=True),
    crowd("tcp", "readline"),
    crowd("tcp", "sock"),
    crowd("tls", "protocol"),
]
