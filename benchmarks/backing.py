"""Database servers that clients are measured with: private, started and ended by a run.

Each keeps its data in a folder that is gone at the end, listens on a free port of 127.0.0.1,
and runs on the core of the loads. Where it listens, workers read from an environment variable.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pinned import pinned


@dataclass(frozen=True)
class Backing:
    """One kind of server.

    Attributes:
        variable: holds its port.
        why_missing: returns why it cannot be started here; None: it can.
        running: starts it on a port and a core.
    """

    variable: str
    why_missing: Callable[[], str | None]
    running: Callable[[int, int | None], AbstractContextManager[None]]

    def port(self) -> int:
        """Return where it listens: in a worker only."""
        return int(os.environ[self.variable])

    @contextlib.contextmanager
    def started(self, core: int | None) -> Iterator[None]:
        port = free_port()
        with self.running(port, core):
            os.environ[self.variable] = str(port)
            try:
                yield
            finally:
                del os.environ[self.variable]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def until_ended(command: list[str], user: str | None, by: signal.Signals) -> Iterator[None]:
    """Run a server that says on stdout or stderr when it is ready."""
    with subprocess.Popen(
        command, user=user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout
        try:
            said = []
            for line in server.stdout:
                said.append(line.strip())
                if "ready to accept connections" in line.lower():
                    break
            else:
                raise RuntimeError(f"{' '.join(command)} ended: {' / '.join(said[-3:])}")
            yield
        finally:
            server.send_signal(by)


def debian_postgres(program: str) -> str | None:
    """Return a program of PostgreSQL's; Debian keeps the server's own out of PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(beside[-1]) if beside else shutil.which(program)


def why_no_postgres() -> str | None:
    absent = [name for name in ("initdb", "postgres") if debian_postgres(name) is None]
    return f"PostgreSQL's {' and '.join(absent)} not installed" if absent else None


@contextlib.contextmanager
def postgres(port: int, core: int | None) -> Iterator[None]:
    initdb, server = debian_postgres("initdb"), debian_postgres("postgres")
    assert initdb
    assert server
    # It refuses to run as root, and Debian's package makes a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        made = subprocess.run(
            [initdb, "-D", data, "-A", "trust", "-U", "benchmarks", "--no-sync"],
            user=user,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(f"{initdb} failed: {made.stderr.strip()}")
        options = [
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
        ]
        options += ["fsync=off", "ssl=off", "log_checkpoints=off"]
        command = [server, "-D", data, *(part for option in options for part in ("-c", option))]
        with until_ended(pinned(core, command), user, signal.SIGQUIT):
            yield


def why_no_redis() -> str | None:
    return None if shutil.which("redis-server") else "redis-server is not installed"


@contextlib.contextmanager
def redis(port: int, core: int | None) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--save", "", "--appendonly", "no"]
        with until_ended(pinned(core, command), None, signal.SIGTERM):
            yield


BACKINGS = {
    "postgres": Backing("BENCHMARKS_POSTGRES_PORT", why_no_postgres, postgres),
    "redis": Backing("BENCHMARKS_REDIS_PORT", why_no_redis, redis),
}
