"""The kitchen mended: the same work, done where it holds up nobody."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from typing import Any, Self

import numpy as np
import recipes
import web
import workers

WORKERS = min(4, len(os.sched_getaffinity(0)))


class Kitchen:
    """Does the work of each request with asyncio's own tools.

    Args:
        supplier: the port of the supplier's server.
    """

    def __init__(self, supplier: int) -> None:
        self.supplier = supplier
        # A forked process would keep the locks that other threads held at that moment.
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(WORKERS, context, initializer=workers.leave_interrupts)

    async def price(self, order: int) -> Any:
        reader, writer = await asyncio.open_connection(web.HOST, self.supplier)
        with closing(writer):
            return (await web.ask(reader, writer, f"/flour/{order}"))["cents"]

    async def dough(self, order: int) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, workers.fold, order)

    async def oven(self, order: int) -> Any:
        return await asyncio.to_thread(bake, order)

    async def label(self, order: int) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, workers.check, order)

    def __enter__(self) -> Self:
        # A pool starts a process when a call finds none idle: the first customers would wait.
        list(self.pool.map(abs, range(WORKERS)))
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)


def bake(order: int) -> float:
    heat = 200 + np.sin(np.arange(recipes.MINUTES) + order)
    loaf = np.convolve(heat, np.hanning(recipes.HEATING))
    return round(float(loaf.max()), 3)
