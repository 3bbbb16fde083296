"""What workers log, handed to the handlers of the program."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fournil
from tests.offload.functions import Gate, double, in_a_thread
from tests.offload.under_test import ISOLATED, use


def test_logs(caplog: pytest.LogCaptureFixture) -> None:
    def bake(degrees: int) -> None:
        import logging as of_the_worker

        logger = of_the_worker.getLogger("bakery")
        logger.info("at %d degrees", degrees)
        logger.debug("not wanted")
        try:
            raise ValueError("burnt")
        except ValueError:
            logger.exception("failed")

    async def main(pool: fournil.ProcessPool) -> None:
        for degrees in (180, 200):
            await pool.run(bake, degrees)

    caplog.set_level(logging.INFO)
    use(main)
    records = [record for record in caplog.records if record.name == "bakery"]
    assert [record.getMessage() for record in records] == [
        "at 180 degrees",
        "failed",
        "at 200 degrees",
        "failed",
    ]
    assert "burnt" in (records[1].exc_text or "")
    assert records[0].process != os.getpid()
    assert records[0].funcName == "bake"


def test_logs_that_cannot_travel_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    def say() -> None:
        logger = logging.getLogger("oven")
        logger.warning("hot", extra={"lock": threading.Lock()})
        logger.warning("long", extra={"table": "x" * 1_000_000})
        logger.warning("y" * 1_000_000)

    async def main(pool: fournil.ProcessPool) -> None:
        await pool.run(say)
        assert await pool.run(double, 2) == 4

    use(main)
    said = [record.getMessage() for record in caplog.records if record.name == "oven"]
    assert said[:2] == ["hot", "long"]
    assert said[2] == "y" * len(said[2])
    assert len(said[2]) > 1000


def test_what_cannot_travel_is_left_out_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each field of a logger, in one warning."""

    def say(number: int) -> None:
        logging.getLogger("cellar").warning(
            "%d",
            number,
            extra={"lock": threading.Lock(), "kept": [number], "failed": TwoError(1, 2)},
        )

    async def main(pool: fournil.ProcessPool) -> None:
        for number in range(3):
            await pool.run(say, number)

    use(main)
    said = [record for record in caplog.records if record.name == "cellar"]
    assert [record.getMessage() for record in said] == ["0", "1", "2"]
    assert [vars(record)["kept"] for record in said] == [[0], [1], [2]]
    assert not any(hasattr(record, "lock") or hasattr(record, "failed") for record in said)
    [lock, failed] = [record.getMessage() for record in caplog.records if record.name == "fournil"]
    assert lock.startswith("log records of the logger 'cellar' come from fournil process 1 without")
    assert "'lock'" in lock
    assert "TypeError: cannot pickle" in lock
    assert "'failed'" in failed
    assert "TwoError.__init__() missing 1 required positional argument" in failed


class TwoError(Exception):
    """One that cannot be unpickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one}{other}")


def test_a_traceback_that_cannot_be_written_down(caplog: pytest.LogCaptureFixture) -> None:
    def say() -> None:
        error: Exception = ValueError("innermost")
        for _ in range(5000):
            error = ExceptionGroup("group", [error])
        logging.getLogger("attic").error("failed", exc_info=error)

    use(lambda pool: pool.run(say))
    [record] = [record for record in caplog.records if record.name == "attic"]
    assert record.getMessage() == "failed"
    assert record.exc_text


def test_loggers_are_of_the_class_that_a_library_makes_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A level that was set here is that of a logger there, which nobody makes before its time."""

    def say() -> str:
        import logging as of_the_worker

        class Special(of_the_worker.Logger):
            pass

        of_the_worker.setLoggerClass(Special)
        logger = of_the_worker.getLogger("library")
        of_the_worker.setLoggerClass(of_the_worker.Logger)
        logger.debug("in detail")
        return type(logger).__name__

    async def main(pool: fournil.ProcessPool) -> None:
        assert await pool.run(say) == "Special"

    caplog.set_level(logging.DEBUG, "library")
    use(main)
    assert [record.getMessage() for record in caplog.records if record.name == "library"] == [
        "in detail"
    ]


# Whoever logs in between.


class Last:
    def __del__(self) -> None:
        logging.getLogger("between").warning("a finalizer")


class Cyclic(Last):
    def __init__(self) -> None:
        self.itself = self


class Told:
    """Logs while it is pickled, also as a part of what is logged."""

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def __reduce__(self) -> Any:
        within = {"within": Told(self.depth - 1)} if self.depth else None
        logging.getLogger("between").warning("a method", extra=within)
        return Told, (self.depth,)


def tell_of_collections(phase: str, info: dict[str, int]) -> None:
    logging.getLogger("between").warning("a collection")


def tick(number: int, frame: object) -> None:
    logging.getLogger("between").warning("a signal")


def prepare() -> None:
    gc.callbacks.append(tell_of_collections)
    gc.set_threshold(50)
    if threading.get_native_id() == os.getpid():
        signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)


def say_much(number: int) -> tuple[int, Told, str]:
    def beside() -> None:
        for _ in range(5):
            logging.getLogger("between").warning("a thread")

    thread = threading.Thread(target=beside)
    thread.start()
    for count in range(10):
        logging.getLogger("within").warning("%d %d", number, count, extra={"told": Told(1)})
        Last()
        Cyclic()
    if number % 2:
        thread.join()
    return number, Told(1), "x" * (number * 37 % 3000)


@pytest.mark.parametrize("kind", ISOLATED)
def test_whatever_logs_while_the_worker_writes(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Signals, finalizers, collections, threads, methods of what travels: nothing is mixed up."""

    async def main() -> None:
        async with ISOLATED[kind](workers=1, initializer=prepare) as pool:
            number = 0
            async for back, _, text in pool.map(say_much, range(300)):
                assert (back, len(text)) == (number, number * 37 % 3000)
                number += 1
            assert number == 300
            [worker] = pool.statistics().workers
            assert worker.name.endswith(" 1")

    fournil.run(main())
    within = [record.getMessage() for record in caplog.records if record.name == "within"]
    assert within == [f"{number} {count}" for number in range(300) for count in range(10)]
    said = Counter(record.getMessage() for record in caplog.records if record.name == "between")
    assert said.keys() <= {"a finalizer", "a collection", "a signal", "a thread", "a method"}
    assert said["a thread"] == 1500
    # One each at least; what is no longer used may be found so when the worker has ended.
    assert said["a method"] >= 300 * 12
    assert said["a finalizer"] >= 3000


def log_when_opened(gate: Gate) -> None:
    def beside() -> None:
        gate.wait()
        logging.getLogger("beside").warning("later")

    threading.Thread(target=beside, daemon=True).start()


def test_a_thread_that_logs_when_no_call_runs(gates: Callable[[], Gate]) -> None:
    """Nothing else comes from the worker meanwhile: the record does not wait for it."""
    gate = gates()
    arrived = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            arrived.set()

    handler = Handler()

    async def main(pool: fournil.ProcessPool) -> None:
        await pool.run(log_when_opened, gate)
        await gate.until_reached()
        gate.open()
        await in_a_thread(arrived.wait)  # type: ignore[arg-type]

    logging.getLogger("beside").addHandler(handler)
    try:
        use(main)
    finally:
        logging.getLogger("beside").removeHandler(handler)


def test_what_a_call_forks_has_no_share_in_its_channel(tmp_path: Path) -> None:
    """It logs to stderr, and ends where it comes back from the call."""
    script = tmp_path / "script.py"
    script.write_text(
        """
import asyncio, logging, os
import fournil

def work(number):
    child = os.fork()
    if not child:
        for count in range(20):
            logging.getLogger("child").warning("of a child")
        if number % 2:
            raise SystemExit(3)
        return "of a child"
    _, status = os.waitpid(child, 0)
    logging.getLogger("parent").warning("of a worker")
    return os.waitstatus_to_exitcode(status)

class Handler(logging.Handler):
    def emit(self, record):
        print(record.getMessage())

async def main():
    async with fournil.ProcessPool(1) as pool:
        print([await asyncio.wait_for(pool.run(work, n), 30) for n in range(4)])
        print([worker.name for worker in pool.statistics().workers])

logging.getLogger().addHandler(Handler())
fournil.run(main())
"""
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "of a worker\n" * 4 + "[0, 3, 0, 3]\n['fournil process 1']\n"
    assert done.stderr == "of a child\n" * 80
