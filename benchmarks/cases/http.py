"""HTTP, by two widely used servers: a text, and a document in JSON."""

from __future__ import annotations

from benchmarks.case import Service
from benchmarks.figures import EQUAL_LOAD
from benchmarks.load.echo import Echo
from benchmarks.load.wrk import Wrk

CONNECTIONS = 50

RATE = 2_000

NEEDS = {
    "uvicorn": ("uvicorn_httptools", ("uvicorn", "httptools")),
    "aiohttp": ("aiohttp_web", ("aiohttp",)),
}


def http(server: str, document: str) -> Service:
    module, needs = NEEDS[server]
    return Service(
        name=f"http-{server}-{document}",
        title=f"HTTP {server} {document} x {CONNECTIONS}",
        server=module,
        over="tcp",
        load=Wrk(f"/{document}", CONNECTIONS),
        needs=needs,
    )


def http_at(server: str) -> Service:
    module, needs = NEEDS[server]
    return Service(
        name=f"http-{server}-hello-at-{RATE}",
        title=f"HTTP {server} hello x {CONNECTIONS}, {RATE:,} a second",
        server=module,
        over="tcp",
        load=Echo(0, CONNECTIONS, path="/hello", rate=RATE),
        kind=EQUAL_LOAD,
        needs=needs,
    )


CASES = [
    *(http(server, document) for server in NEEDS for document in ("hello", "json")),
    *map(http_at, NEEDS),
]
