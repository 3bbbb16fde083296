"""Locks that a line holds: found in the source, and counted in estimates."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from fournil.observe.advice.locks import Held, locks_around
from fournil.observe.advice.program import Module

MODULE = "import asyncio, threading, time\n"


def held(text: str) -> Held | None:
    """Return the lock of the line that sleeps, in its function and in those that call it."""
    text = MODULE + dedent(text)
    module = Module(text, ast.parse(text))
    places = []
    for number, line in enumerate(text.splitlines(), 1):
        if "# blocks" in line or "# calls" in line:
            scopes = [
                node
                for node in ast.walk(module.tree)
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                and node.lineno <= number <= (node.end_lineno or 0)
            ]
            places.append(("app.py", module, scopes[-1], number))
    return locks_around(places)


@pytest.mark.parametrize(
    ("made", "taken", "at_once"),
    [
        ("lock = asyncio.Lock()", "async with lock:", 1),
        ("lock = threading.RLock()", "with lock:", 1),
        ("lock = asyncio.Semaphore(3)", "async with lock:", 3),
        ("MOST = 4\nlock = asyncio.BoundedSemaphore(MOST)", "async with lock:", 4),
        ("lock = asyncio.Semaphore()", "async with lock:", 1),
        ("lock: asyncio.Lock = asyncio.Lock()", "async with lock, asyncio.timeout(1):", 1),
        ("import anyio\nlock = anyio.CapacityLimiter(2)", "async with lock:", 2),
    ],
)
def test_of_a_module(made: str, taken: str, at_once: int) -> None:
    found = held(f"{made}\nasync def job():\n    {taken}\n        time.sleep(1)  # blocks\n")
    assert found
    assert (found.at_once, found.is_shared) == (at_once, True)


def test_that_is_handed_over() -> None:
    found = held(
        """\
        async def job(limit):
            async with limit:
                if limit:
                    time.sleep(1)  # blocks
        async def main():
            limit = asyncio.Semaphore(2)
            await asyncio.gather(*(job(limit) for _ in range(9)))
        """
    )
    assert found == Held("app.py:7", 2, is_shared=True)


def test_of_a_caller() -> None:
    found = held(
        """\
        lock = asyncio.Lock()
        def read():
            time.sleep(1)  # blocks
        async def job():
            async with lock:
                read()  # calls
        """
    )
    assert found == Held("app.py:2", 1, is_shared=True)


def test_of_an_object_may_be_one_of_many() -> None:
    found = held(
        """\
        class Client:
            def __init__(self):
                self.lock = asyncio.Lock()
            async def get(self):
                async with self.lock:
                    time.sleep(1)  # blocks
        """
    )
    assert found == Held("app.py:4", 1, is_shared=False)


def test_the_narrowest_counts() -> None:
    found = held(
        """\
        wide, narrow = asyncio.Semaphore(5), asyncio.Semaphore(2)
        async def job():
            async with wide, narrow:
                time.sleep(1)  # blocks
        """
    )
    assert found
    assert found.at_once == 2


@pytest.mark.parametrize(
    "text",
    [
        "async def job():\n    time.sleep(1)  # blocks\n",
        "async def job():\n    with open('x') as file:\n        time.sleep(1)  # blocks\n",
        "async def job(lock):\n    async with lock:\n        time.sleep(1)  # blocks\n",
        "async def job():\n    lock = asyncio.Lock()\n    async with lock:\n"
        "        time.sleep(1)  # blocks\n",
        "locks = {}\nasync def job(key):\n    async with locks[key]:\n"
        "        time.sleep(1)  # blocks\n",
        "limit = asyncio.Semaphore(read())\nasync def job():\n    async with limit:\n"
        "        time.sleep(1)  # blocks\n",
        "lock = asyncio.Lock()\nasync def job():\n    async with lock:\n        pass\n"
        "    time.sleep(1)  # blocks\n",
        "def job():\n    with asyncio.Lock():\n        time.sleep(1)  # blocks\n",
    ],
    ids=["none", "a file", "not known", "its own", "one of many", "any number", "before", "new"],
)
def test_what_holds_nobody_up(text: str) -> None:
    assert held(text) is None
