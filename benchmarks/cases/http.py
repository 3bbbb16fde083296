"""HTTP, by two widely used servers: a text, and a document in JSON."""

from __future__ import annotations

from benchmarks.case import Service
from benchmarks.load.wrk import Wrk

CONNECTIONS = 50

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


CASES = [http(server, document) for server in NEEDS for document in ("hello", "json")]
