"""Echoes, by each of asyncio's interfaces, over TCP, Unix sockets, TLS and UDP."""

from __future__ import annotations

from benchmarks.case import Service
from benchmarks.figures import DATAGRAMS, SERVICE
from benchmarks.load.echo import Echo

SIZES = {"64B": 64, "1KiB": 1024, "64KiB": 65536, "1MiB": 1048576}

CONNECTIONS = (1, 50, 1000)

PROTOCOLS = ("protocol", "buffered", "readline", "readexactly")

SERVERS = {
    "tcp": (*PROTOCOLS, "sock"),
    "unix": (*PROTOCOLS, "sock"),
    "tls": PROTOCOLS,
    "udp": ("datagrams",),
}

A_DATAGRAM = 65_507
"""The most that one can hold."""

TITLES = {"readline": "streams readline", "readexactly": "streams readexactly", "sock": "sock_*"}

DEFAULT = {
    "tcp-protocol-1KiB-1",
    "tcp-protocol-1KiB-50",
    "tcp-protocol-1KiB-1000",
    "tcp-protocol-64KiB-50",
    "tcp-protocol-1MiB-1",
    "tcp-buffered-1KiB-50",
    "tcp-readline-1KiB-50",
    "tcp-readexactly-1KiB-50",
    "tcp-sock-1KiB-50",
    "unix-protocol-1KiB-50",
    "unix-readline-1KiB-50",
    "tls-protocol-1KiB-50",
    "tls-protocol-64KiB-50",
    "udp-datagrams-1KiB-50",
}


def echo(over: str, server: str, size: str, connections: int) -> Service:
    name = f"{over}-{server}-{size}-{connections}"
    return Service(
        name=name,
        title=f"{over.upper()} {TITLES.get(server, server)} {size} x {connections}",
        server=server,
        over=over,
        load=Echo(SIZES[size], connections, tls=over == "tls"),
        size=SIZES[size],
        kind=DATAGRAMS if over == "udp" else SERVICE,
        floor=over in ("tcp", "unix"),
        default=name in DEFAULT,
    )


CASES = [
    echo(over, server, size, connections)
    for over, servers in SERVERS.items()
    for server in servers
    for size, size_in_bytes in SIZES.items()
    if over != "udp" or size_in_bytes <= A_DATAGRAM
    for connections in CONNECTIONS
]
