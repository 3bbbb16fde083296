"""What asks a server, or answers a client, in a process of its own: copied beside the programs.

`python load.py WHAT NUMBERS…` is that process.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from pathlib import Path


def listening() -> socket.socket:
    """Return a socket to which clients can connect before it is served."""
    return socket.create_server(("127.0.0.1", 0), backlog=100)


def closed(
    server: socket.socket, *, clients: int, each: int, think: float = 0.0
) -> subprocess.Popen[str]:
    """Start clients that ask again `think` seconds after each answer."""
    return _start("_closed", server.getsockname()[1], clients, each, think)


def at_rate(server: socket.socket, *, rate: float, count: int) -> subprocess.Popen[str]:
    """Start clients that come so many a second, whoever is answered."""
    return _start("_at_rate", server.getsockname()[1], rate, count)


def at_random(server: socket.socket, *, rate: float, count: int) -> subprocess.Popen[str]:
    """Start clients that come at random, so many a second in the mean."""
    return _start("_at_random", server.getsockname()[1], rate, count)


def reconnecting(server: socket.socket, *, clients: int, each: int) -> subprocess.Popen[str]:
    """Start clients that ask again when they are answered, in a connection of its own each time."""
    return _start("_reconnecting", server.getsockname()[1], clients, each)


@contextmanager
def backend(*, takes: float, at_once: int) -> Iterator[str]:
    """Start an HTTP server that answers so many at a time; its address."""
    with _start("_backend", takes, at_once) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        yield f"http://127.0.0.1:{port}/"
        process.kill()


def _start(what: str, *numbers: float) -> subprocess.Popen[str]:
    # Without its imports of the site it starts fast.
    command = [sys.executable, "-S", str(Path(__file__)), what, *map(str, numbers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _closed(port: float, clients: float, each: float, think: float) -> None:
    def ask_often() -> None:
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            answers = connection.makefile("rb")
            for number in range(int(each)):
                if number and think:
                    time.sleep(think)
                connection.sendall(b"bread?\n")
                answers.readline()

    _beside_each_other([ask_often] * int(clients))


def _ask(port: float) -> None:
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(b"bread?\n")
        connection.makefile("rb").readline()


def _reconnecting(port: float, clients: float, each: float) -> None:
    def ask_often() -> None:
        for _ in range(int(each)):
            _ask(port)

    _beside_each_other([ask_often] * int(clients))


def _at_rate(port: float, rate: float, count: float) -> None:
    _ask_at(port, [number / rate for number in range(int(count))])


def _at_random(port: float, rate: float, count: float) -> None:
    pauses = random.Random(1)
    _ask_at(port, list(accumulate(pauses.expovariate(rate) for _ in range(int(count)))))


def _ask_at(port: float, moments: list[float]) -> None:
    begin = time.monotonic()

    def ask_at(moment: float) -> None:
        time.sleep(max(0.0, begin + moment - time.monotonic()))
        _ask(port)

    _beside_each_other([partial(ask_at, moment) for moment in moments])


def _beside_each_other(actions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _backend(takes: float, at_once: float) -> None:
    limit = threading.Semaphore(int(at_once))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with limit:
                time.sleep(takes)
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"bread")

        def log_message(self, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        request_queue_size = 100
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    start: dict[str, Callable[..., None]] = {
        "_closed": _closed,
        "_reconnecting": _reconnecting,
        "_at_rate": _at_rate,
        "_at_random": _at_random,
        "_backend": _backend,
    }
    start[what](*map(float, numbers))
