"""Functions for pools to run, and what tests need of them.

Workers import this module: it imports little, and nothing that interpreters cannot, as our loop.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import fournil

if TYPE_CHECKING:
    import asyncio

Main = Callable[[], Awaitable[Any]]
Run = Callable[[Callable[[], Any]], Any]


class Gate:
    """Holds a function up until the test lets it go on; travels to any kind of worker.

    Both sides meet at named pipes, whose opening waits for the other side.
    """

    def __init__(self, folder: Path) -> None:
        number = len(list(folder.iterdir()))
        self.reached = folder / f"{number}-reached"
        self.opened = folder / f"{number}-opened"
        for path in (self.reached, self.opened):
            os.mkfifo(path)

    # Of the test's process alone; closed at the end of the test.
    held: ClassVar[list[int]] = []

    def wait(self, value: Any = None) -> Any:
        """Say that the gate is reached; when it is open, return a value."""
        self.reached.open("wb").close()
        self.opened.open("rb").close()
        return value

    def wait_unless_cancelled(self) -> str:
        """Say that the gate is reached; return when the call is cancelled."""
        self.reached.open("wb").close()
        while not fournil.cancelled():
            time.sleep(0.001)
        return "was told"

    def raise_if_cancelled(self) -> None:
        self.wait_unless_cancelled()
        fournil.check_cancelled()

    async def until_reached(self) -> None:
        await in_a_thread(lambda: self.reached.open("rb").close())

    def open(self) -> None:
        """Let those that wait go on, and those that will; nobody need wait."""
        # To write and read it at once waits for nobody, and stands for the other side.
        self.held.append(os.open(self.opened, os.O_RDWR | os.O_CLOEXEC))


@asynccontextmanager
async def busy(pool: fournil.Pool, gate: Gate) -> AsyncIterator[asyncio.Future[None]]:
    """Keep one worker of a pool busy during the block; yield its call."""
    call = pool.run(gate.wait)
    await gate.until_reached()
    yield call
    gate.open()
    await call


class Marks:
    """Numbers that functions leave, which any kind of worker may run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def add(self, number: int) -> None:
        # One write, at the end of the file, wherever that is by then.
        with self.path.open("a") as file:
            file.write(f"{number}\n")

    def read(self) -> list[int]:
        return [int(line) for line in self.path.read_text().split()]


async def in_a_thread(function: Callable[[], None]) -> None:
    """Run a function in a thread of its own: the test's waits take no worker of a pool."""
    import asyncio

    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def run() -> None:
        function()
        loop.call_soon_threadsafe(ended.set_result, None)

    thread = threading.Thread(target=run)
    thread.start()
    await ended
    thread.join()


def double(number: int) -> int:
    return 2 * number


def add(one: int, other: int = 0, *, more: int = 0) -> int:
    return one + other + more


def fail(message: str) -> None:
    raise LookupError(message)


def fail_at(number: int, at: int) -> int:
    if number == at:
        raise LookupError(number)
    return number


def stop_iterating() -> None:
    raise StopIteration("value")


def leave(kind: type[BaseException]) -> None:
    raise kind


async def coroutine() -> None:
    raise AssertionError("a pool ran a coroutine")


def use_cpu(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def wait_for_ever(gate: Gate) -> None:
    """Say that the gate is reached; compute until it is interrupted."""
    try:
        gate.reached.open("wb").close()
        while True:
            pass
    finally:
        gate.reached.exists()


def place() -> tuple[int, int]:
    time.sleep(0.01)
    return os.getpid(), threading.get_ident()


def count_to(number: int) -> int:
    count = 0
    while count < number:
        count += 1
    return count


def imports_what_is_native() -> None:
    from fournil import EventLoop  # noqa: F401


def squares_in(kind: str, count: int) -> list[int]:
    import asyncio

    async def main() -> list[int]:
        async with getattr(fournil, kind)(workers=1) as pool:
            return [await pool.run(pow, number, 2) for number in range(count)]

    return asyncio.run(main())


def log_without_end(number: int) -> None:
    import logging

    for count in range(1_000_000):
        logging.getLogger("baker").warning("%d: %d", number, count)
