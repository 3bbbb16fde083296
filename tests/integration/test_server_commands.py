"""Servers as people start them, under `fournil run`: their workers' lines are in the report."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

TIMEOUT = 60

APP = """
import time

async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
    block()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"baked"})

def block():
    time.sleep(0.2)
"""
LINE = 15

COMMANDS = {
    "uvicorn": ["uvicorn", "--port", "{port}", "app:app"],
    "uvicorn, workers": ["uvicorn", "--workers", "2", "--port", "{port}", "app:app"],
    "uvicorn, reload": ["uvicorn", "--reload", "--port", "{port}", "app:app"],
    "gunicorn": ["gunicorn", "-w", "2", "-k", "uvicorn_worker.UvicornWorker", "-b",
                 "127.0.0.1:{port}", "app:app"],
    "hypercorn": ["hypercorn", "-w", "2", "-b", "127.0.0.1:{port}", "app:app"],
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ask(port: int, path: str = "/") -> bytes:
    """Return what the server answers, once it does."""
    until = time.monotonic() + TIMEOUT
    while True:
        try:
            url = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                return bytes(answer.read())
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)


def served(command: list[str], port: int, folder: Path, number: signal.Signals) -> int:
    """Start a server, ask it, send it a signal as a terminal would, and return its status."""
    return served_at(command, port, folder, number, ["/"] * 3, b"baked")


def served_at(
    command: list[str],
    port: int,
    folder: Path,
    number: signal.Signals,
    paths: list[str],
    answer: bytes | None = None,
) -> int:
    """Do the same at some paths, each of which is to answer the same, if that is told."""
    with (
        open(folder / "said", "wb") as said,
        subprocess.Popen(
            command, cwd=folder, start_new_session=True, stdout=said, stderr=said
        ) as process,
    ):
        try:
            answers = [ask(port, path) for path in paths]
            assert answer is None or answers == [answer] * len(paths)
            os.killpg(process.pid, number)
            return process.wait(TIMEOUT)
        finally:
            process.kill()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_workers_of_a_server(name: str, tmp_path: Path) -> None:
    module, *words = COMMANDS[name]
    for needed in (module, *(["uvicorn_worker"] if module == "gunicorn" else [])):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    (tmp_path / "app.py").write_text(APP)
    statuses = []
    for run in ([], ["-m", "fournil", "run", "--json", "report.json"]):
        port = free_port()
        program = ["-m", module, *(word.format(port=port) for word in words)]
        statuses.append(served([sys.executable, *run, *program], port, tmp_path, signal.SIGINT))
    assert statuses[0] == statuses[1]
    told = json.loads((tmp_path / "report.json").read_text())
    first = max(told["blocked"], key=lambda of: of["total_s"])
    assert (first["class"], first["line"], first["count"]) == ("waiting", LINE, 3)
    assert first["file"] == str(tmp_path / "app.py")
    assert all(of["title"] == f"-m {module}" for of in told["processes"])
    assert told["not_seen"] == []
