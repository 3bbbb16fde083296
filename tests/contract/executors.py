"""The default executors under test, and calls that take all of their threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import fournil
from tests.contract.loops import Loop


def is_ours(loop: Loop) -> bool:
    return isinstance(loop, fournil.EventLoop)


def executor_of(loop: Any) -> Any:
    return loop._default_executor


class Held:
    """All threads of a default executor, each in a call that waits."""

    def __init__(self, loop: Loop) -> None:
        self.released = threading.Event()
        loop.run_until_complete(loop.run_in_executor(None, int))
        self.calls = [self.hold(loop) for _ in range(executor_of(loop)._max_workers)]

    def hold(self, loop: Loop) -> asyncio.Future[bool]:
        began = threading.Event()

        def call() -> bool:
            began.set()
            return self.released.wait()

        async def main() -> asyncio.Future[bool]:
            held = loop.run_in_executor(None, call)
            while not began.is_set():
                await asyncio.sleep(0.0001)
            return held

        return loop.run_until_complete(main())
