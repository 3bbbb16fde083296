"""uvicorn serves a Starlette application on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

ROOT = Path(__file__).parents[2]
LOOP = "fournil.loop.EventLoop"


def check(client: httpx.Client) -> None:
    assert client.get("/").json() == {"loop": LOOP}
    body = os.urandom(300_000)
    assert client.post("/echo", content=body).content == body
    assert client.get("/count").text.split() == [str(n) for n in range(100)]
    assert client.get("/thread").json() == 4950
    assert client.get("/nowhere").status_code == 404


async def ask_many(address: str) -> None:
    async with httpx.AsyncClient(base_url=address) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(50)))
    assert {answer.json()["loop"] for answer in answers} == {LOOP}


@contextlib.contextmanager
def command(listener: socket.socket) -> Iterator[subprocess.Popen[str]]:
    """Run uvicorn's command on a socket that listens already, so that nobody needs to wait."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "tests.integration.app:app"),
            *("--loop", "fournil:new_event_loop", "--fd", str(listener.fileno())),
            *("--log-level", "warning"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            yield server
        finally:
            server.kill()


def test_the_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, command(listener) as server:
        address = "http://{}:{}".format(*listener.getsockname())
        with httpx.Client(base_url=address, timeout=30) as client:
            check(client)
        asyncio.run(ask_many(address))
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate()
        assert errors == ""
        assert server.returncode in (0, -signal.SIGINT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:uvicorn")
def test_in_a_thread_of_this_process() -> None:
    config = uvicorn.Config(
        "tests.integration.app:app", loop="fournil:new_event_loop", log_level="warning"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            address = "http://{}:{}".format(*listener.getsockname())
            with httpx.Client(base_url=address, timeout=30) as client:
                check(client)
        finally:
            server.should_exit = True
            thread.join()
