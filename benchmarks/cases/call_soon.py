"""A chain of callbacks, each of which calls the next: the cost of one turn of the loop."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.case import Case


async def run(operations: int) -> float:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    left = operations

    def link() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(link)
        else:
            done.set_result(None)

    begin = perf_counter()
    loop.call_soon(link)
    await done
    return perf_counter() - begin


CASE = Case("call_soon", "a link of a chain of call_soon", run)
