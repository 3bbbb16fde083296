"""The pools of threads, each on a loop, and the floor."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from benchmarks.load.compiled import why_not_compiled
from benchmarks.loops import LOOPS, LoopFactory
from benchmarks.pools.cases import WORKERS, Submit

FLOOR = "futex_hop"


@asynccontextmanager
async def ours() -> AsyncIterator[Submit]:
    import fournil

    async with fournil.ThreadPool(WORKERS) as pool:
        yield pool.run


@asynccontextmanager
async def run_in_executor() -> AsyncIterator[Submit]:
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as executor:
        yield functools.partial(loop.run_in_executor, executor)


@asynccontextmanager
async def asyncio_to_thread() -> AsyncIterator[Submit]:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(WORKERS))
    yield asyncio.to_thread


@asynccontextmanager
async def anyio_to_thread() -> AsyncIterator[Submit]:
    import anyio.to_thread

    yield functools.partial(anyio.to_thread.run_sync, limiter=anyio.CapacityLimiter(WORKERS))


@asynccontextmanager
async def executor_of_ours() -> AsyncIterator[Submit]:
    import fournil

    loop = asyncio.get_running_loop()
    async with fournil.ThreadPool(WORKERS) as pool:
        yield functools.partial(loop.run_in_executor, pool.executor)


@dataclass(frozen=True)
class Contender:
    """One pool on one loop.

    Attributes:
        name: as given to --pools and as stored.
        opened: opens the pool; None: the floor, a program.
        loop: one of the loops that are benchmarked.
        package: what is imported to have the pool.
        default: whether it is measured when --pools does not name it.
    """

    name: str
    opened: Callable[[], AbstractAsyncContextManager[Submit]] | None
    loop: str = "asyncio"
    package: str = ""
    default: bool = True

    def missing(self) -> str | None:
        """Return why this one cannot be measured here; None: it can."""
        if self.opened is None:
            return why_not_compiled(FLOOR)
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        return LOOPS[self.loop].missing()

    def new_loop(self) -> LoopFactory:
        return LOOPS[self.loop].load()


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("run_in_executor", run_in_executor),
        Contender("asyncio.to_thread", asyncio_to_thread),
        Contender("anyio", anyio_to_thread, package="anyio"),
        Contender("fournil", ours),
        Contender("run_in_executor on uvloop", run_in_executor, "uvloop"),
        Contender("fournil on uvloop", ours, "uvloop"),
        Contender("run_in_executor on fournil", run_in_executor, "fournil"),
        Contender("fournil on fournil", ours, "fournil"),
        Contender("fournil as an executor", executor_of_ours, default=False),
        Contender("futex-c", None),
    )
}

BASELINE = "run_in_executor"
