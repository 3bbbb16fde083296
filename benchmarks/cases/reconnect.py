"""A connection, one echo over it, and its end; over TLS that is mostly the handshake."""

from __future__ import annotations

from benchmarks.case import Service
from benchmarks.load.echo import Echo

SIZE = 64

CONNECTIONS = 50

TITLES = {
    "tcp": "TCP connect, echo, close",
    "unix": "UNIX connect, echo, close",
    "tls": "TLS handshake",
}

DEFAULT = {"tcp-reconnect-protocol", "tls-reconnect-protocol"}


def reconnect(over: str, server: str) -> Service:
    name = f"{over}-reconnect-{server}"
    return Service(
        name=name,
        title=f"{TITLES[over]}, {server} x {CONNECTIONS}",
        server=server,
        over=over,
        load=Echo(SIZE, CONNECTIONS, tls=over == "tls", reconnect=True),
        size=SIZE,
        floor=over != "tls",
        default=name in DEFAULT,
    )


CASES = [
    reconnect(over, server)
    for over, servers in {
        "tcp": ("protocol", "readline", "sock"),
        "unix": ("protocol", "readline", "sock"),
        "tls": ("protocol", "readline"),
    }.items()
    for server in servers
]
