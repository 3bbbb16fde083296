"""What asks a server, or answers a client, in a process of its own: copied beside the programs.

`python load.py WHAT NUMBERS…` is that process.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def _at_rate(port: float, rate: float, count: float) -> None:
    begin = time.monotonic()

    def ask_at(at: float) -> None:
        time.sleep(max(0.0, begin + at - time.monotonic()))
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(b"bread?\n")
            connection.makefile("rb").readline()

    _beside_each_other([lambda at=n / rate: ask_at(at) for n in range(int(count))])  # type: ignore[misc]


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
        "_at_rate": _at_rate,
        "_backend": _backend,
    }
    start[what](*map(float, numbers))
