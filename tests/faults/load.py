"""A steady load on a pool, and what must hold of it whatever goes wrong meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fournil
from tests.offload.functions import Marks

AT_ONCE = 40
"""So many calls of the load are in flight at a time."""

Lost = Callable[[BaseException], bool]


class Load:
    """Calls that each leave their number in a file, submitted for as long as the block lasts.

    At its end: each call came to an end, no number was left twice, and a number is missing only
    where its call says that it was lost.

    Args:
        pool: what the calls run in.
        folder: where the file is.
        lost: whether an exception says that a call was lost.
    """

    def __init__(self, pool: fournil.Pool, folder: Path, lost: Lost) -> None:
        self.pool = pool
        self.marks = Marks(folder / "marks")
        self.lost = lost
        self.calls: list[asyncio.Future[Any]] = []
        self.ends = False

    async def __aenter__(self) -> Load:
        self.submitters = [asyncio.create_task(self.submit()) for _ in range(AT_ONCE)]
        while not any(call.done() for call in self.calls):
            await asyncio.sleep(0)
        return self

    async def submit(self) -> None:
        while not self.ends:
            call = self.pool.run(self.marks.add, len(self.calls))
            self.calls.append(call)
            await asyncio.gather(call, return_exceptions=True)

    async def __aexit__(self, *error: object) -> None:
        self.ends = True
        await asyncio.gather(*self.submitters)
        left = self.marks.read()
        assert len(left) == len(set(left)), "a call ran twice"
        ended = set(left)
        for number, call in enumerate(self.calls):
            assert call.done()
            why = None if call.cancelled() else call.exception()
            if why is None and not call.cancelled():
                assert number in ended, f"call {number} returned and never ran"
            else:
                assert why is not None, f"nobody cancelled call {number}"
                assert self.lost(why), why
