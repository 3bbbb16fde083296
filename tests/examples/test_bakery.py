"""The bakery, run with few customers: what its reports say, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import customers
import demo
import pytest
import verdict
import web
from processes import ServerError
from service import STATIONS

TIMEOUT = 60


@pytest.fixture(scope="module")
def runs() -> tuple[demo.Run, demo.Run]:
    return asyncio.run(demo.serve_both(customer_count=3, orders_each=1, latency=0.15))


def test_each_mistake_is_named(runs: tuple[demo.Run, demo.Run]) -> None:
    made = verdict.mistakes((demo.HERE / "blocking.py").read_text())
    assert {mistake.blocker for mistake in made} == verdict.REMEDIES.keys()
    assert list(verdict.misnamed(runs[0].report, str(demo.HERE / "blocking.py"), made)) == []


def test_no_mistake_is_left_in_the_mended_version(runs: tuple[demo.Run, demo.Run]) -> None:
    # On a busy machine, it may be held up for a moment without a mistake of its own.
    shortest = min(blocked["longest_s"] for blocked in runs[0].report["blocked"])
    assert all(loop["longest_s"] < shortest for loop in runs[1].report["loops"])


def test_both_versions_give_the_same_answers(runs: tuple[demo.Run, demo.Run]) -> None:
    first, second = runs
    assert first.answers == second.answers
    assert [len(answers) for answers in first.answers] == [len(STATIONS)] * 3


def test_the_estimate_is_less_than_the_run(runs: tuple[demo.Run, demo.Run]) -> None:
    report = runs[0].report
    assert report["estimate"]["run_s"] < report["run_s"]
    assert report["estimate"]["busy_s"] < sum(loop["busy_s"] for loop in report["loops"])


def test_the_table_has_both_runs(runs: tuple[demo.Run, demo.Run]) -> None:
    heading, *rows = verdict.table(runs[0].report, runs[1].report)
    assert heading.split() == ["with", "mistakes", "estimated", "measured"]
    assert [row[:14].strip() for row in rows] == [
        "run time",
        "loop busy",
        "lag, p99",
        "lag, longest",
    ]


# That no process outlives the demo.


@pytest.fixture
def processes_left(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that lists the processes started since, and their children's."""
    token = uuid.uuid4().hex
    monkeypatch.setenv("BAKERY_TEST", token)

    def processes_left() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if token.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it has ended
        return found

    return processes_left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_demo(number: signal.Signals, processes_left: Callable[[], list[str]]) -> None:
    script = str(demo.HERE / "demo.py")
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while "with its mistakes" not in process.stdout.readline():
            pass
        process.send_signal(number)
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == demo.INTERRUPTED
    assert stderr.endswith("demo: interrupted\n")
    assert "Traceback" not in stderr
    assert processes_left() == []


@pytest.mark.parametrize("kitchen", ["blocking", "mended"])
def test_interrupted_service(
    kitchen: str,
    processes_left: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def interrupt() -> None:
        served = asyncio.Event()

        async def visit(port: int, customer_count: int, orders_each: int) -> None:
            reader, writer = await asyncio.open_connection(web.HOST, port)
            try:
                await web.ask(reader, writer, "/label/1")
                served.set()
                await web.ask(reader, writer, "/dough/1")
            finally:
                writer.close()

        monkeypatch.setattr(customers, "visit", visit)
        run = asyncio.create_task(demo.serve(kitchen, 1, 1, supplier=0))
        await served.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(asyncio.wait_for(interrupt(), TIMEOUT))
    assert processes_left() == []
    assert "Traceback" not in capfd.readouterr().err


def test_a_service_that_does_not_start(processes_left: Callable[[], list[str]]) -> None:
    with pytest.raises(ServerError, match="printed no port"):
        asyncio.run(demo.serve("closed", 1, 1, supplier=0))
    assert processes_left() == []


# HTTP.


def test_a_closed_connection_has_no_more_requests() -> None:
    async def read(data: bytes) -> str | None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await web.read_request(reader)

    assert asyncio.run(read(b"GET /price/1 HTTP/1.1\r\nHost: here\r\n\r\n")) == "/price/1"
    assert asyncio.run(read(b"")) is None
    with pytest.raises(asyncio.IncompleteReadError):
        asyncio.run(read(b"GET /pri"))
