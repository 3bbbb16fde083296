"""The kitchen mended: the same work, done where it holds up nobody."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from typing import Any, Self

import numpy as np
import recipes
import web
import workers

import fournil

WORKERS = min(4, len(os.sched_getaffinity(0)))


class Kitchen:
    """Does the work of each request elsewhere: in a task, a thread, or a process.

    Args:
        supplier: the port of the supplier's server.
    """

    def __init__(self, supplier: int) -> None:
        self.supplier = supplier
        self.pool = fournil.ProcessPool(WORKERS)

    async def price(self, order: int) -> Any:
        reader, writer = await asyncio.open_connection(web.HOST, self.supplier)
        with closing(writer):
            return (await web.ask(reader, writer, f"/flour/{order}"))["cents"]

    async def dough(self, order: int) -> Any:
        return await self.pool.run(workers.fold, order)

    async def oven(self, order: int) -> Any:
        return await fournil.to_thread(bake, order)

    async def label(self, order: int) -> Any:
        return await self.pool.run(workers.check, order)

    async def __aenter__(self) -> Self:
        # A pool starts a process when a call finds none idle: the first customers would wait.
        await asyncio.gather(*(self.pool.run(abs, n) for n in range(WORKERS)))
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.pool.__aexit__(*error)


def bake(order: int) -> float:
    heat = 200 + np.sin(np.arange(recipes.MINUTES) + order)
    loaf = np.convolve(heat, np.hanning(recipes.HEATING))
    return round(float(loaf.max()), 3)
