"""Servers: started, asked by several clients at once, and ended by Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.integration.commands.report import environment, wrong

TIMEOUT = 60
CLIENTS, REQUESTS = 6, 10
ASKED = ["waits", "computes"] * (REQUESTS // 2)

FOURNIL = ("-m", "fournil", "run", "--no-report", "--json", "report.json")


class Server(NamedTuple):
    """A command that serves one of the applications."""

    name: str
    words: str  # after `python`
    needs: tuple[str, ...] = ()

    @property
    def has_routes(self) -> bool:
        """Whether its application is a framework's, which knows routes."""
        return "asgi_app" not in self.words

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


UVICORN = ("uvicorn",)
GUNICORN = ("gunicorn", "uvicorn_worker")
SANIC = "-m sanic sanic_app:app --host 127.0.0.1 --port {port}"
GRANIAN = "-m granian --interface asgi --port {port} asgi_app:app --loop"

SERVERS = [
    Server("uvicorn", "-m uvicorn --port {port} asgi_app:app", UVICORN),
    Server("uvicorn --workers", "-m uvicorn --workers 2 --port {port} asgi_app:app", UVICORN),
    Server("uvicorn --reload", "-m uvicorn --reload --port {port} asgi_app:app", UVICORN),
    Server(
        "uvicorn, uvloop",
        "-m uvicorn --loop uvloop --http httptools --port {port} asgi_app:app",
        ("uvicorn", "uvloop", "httptools"),
    ),
    Server("uvicorn, FastAPI", "-m uvicorn --port {port} fastapi_app:app", ("uvicorn", "fastapi")),
    Server(
        "gunicorn",
        "-m gunicorn -w 2 -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} asgi_app:app",
        GUNICORN,
    ),
    Server(
        "gunicorn, its script",
        "{bin}/gunicorn -w 2 -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} asgi_app:app",
        GUNICORN,
    ),
    Server(
        "gunicorn, aiohttp",
        "-m gunicorn -w 2 -k aiohttp.GunicornWebWorker -b 127.0.0.1:{port} aiohttp_app:make()",
        ("gunicorn", "aiohttp"),
    ),
    Server("hypercorn", "-m hypercorn -b 127.0.0.1:{port} asgi_app:app", ("hypercorn",)),
    Server("hypercorn -w", "-m hypercorn -w 2 -b 127.0.0.1:{port} asgi_app:app", ("hypercorn",)),
    Server(
        "hypercorn --reload",
        "-m hypercorn --reload -b 127.0.0.1:{port} asgi_app:app",
        ("hypercorn",),
    ),
    Server("sanic", SANIC, ("sanic",)),
    Server("sanic --workers", f"{SANIC} --workers 2", ("sanic",)),
    Server("sanic --single-process", f"{SANIC} --single-process", ("sanic",)),
    Server("sanic --dev", f"{SANIC} --dev", ("sanic",)),
    Server("granian", f"{GRANIAN} asyncio", ("granian",)),
    Server("granian --workers", f"{GRANIAN} asyncio --workers 2", ("granian",)),
    Server("granian, uvloop", f"{GRANIAN} uvloop", ("granian", "uvloop")),
    Server("aiohttp", "{apps}/aiohttp_app.py {port}", ("aiohttp",)),
    Server("aiohttp.web", "-m aiohttp.web -H 127.0.0.1 -P {port} aiohttp_app:make", ("aiohttp",)),
]


def check(server: Server, folder: Path) -> str:
    """Run a server under `python`, and as it should be recorded; return what is wrong."""
    apps = environment()["PYTHONPATH"].split(os.pathsep)[0]
    statuses = []
    pid = 0
    for run in ((), FOURNIL):
        port = free_port()
        words = server.words.format(port=port, apps=apps, bin=os.path.dirname(sys.executable))
        status, pid = serve([sys.executable, *run, *words.split()], port, folder, ASKED)
        statuses.append(status)
    if statuses[0] != statuses[1]:
        return f"it ended with {statuses[1]}, and with {statuses[0]} under python"
    return wrong(folder / "report.json", pid, routes=server.has_routes)


def serve(command: list[str], port: int, folder: Path, paths: Sequence[str]) -> tuple[int, int]:
    """Start a server, ask it, end it as a terminal would; return its status and its number."""
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        ) as process,
    ):
        try:
            _wait_until_up(process, port)
            with ThreadPoolExecutor(CLIENTS) as clients:
                list(clients.map(lambda path: _ask(port, path), paths))
            os.killpg(process.pid, signal.SIGINT)
            return process.wait(TIMEOUT), process.pid
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def _wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            _ask(port, "")
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _ask(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=TIMEOUT) as answer:
        return bytes(answer.read())
