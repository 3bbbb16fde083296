"""The pools, each on a loop, and the floors."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import importlib.util
import multiprocessing
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.load.compiled import why_not_compiled
from benchmarks.loops import LOOPS, LoopFactory
from benchmarks.pools.cases import WORKERS, Submit, Workers

INTERPRETERS = "concurrent.interpreters"
"""Since CPython 3.14."""


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
async def default_executor() -> AsyncIterator[Submit]:
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


@asynccontextmanager
async def our_processes() -> AsyncIterator[Submit]:
    import fournil

    async with fournil.ProcessPool(WORKERS) as pool:
        yield pool.run


@asynccontextmanager
async def our_interpreters() -> AsyncIterator[Submit]:
    import fournil

    async with fournil.InterpreterPool(WORKERS) as pool:
        yield pool.run


def interpreter_pool_executor() -> AbstractAsyncContextManager[Submit]:
    made: Any = concurrent.futures
    return in_processes(made.InterpreterPoolExecutor(WORKERS))


@asynccontextmanager
async def in_processes(executor: concurrent.futures.Executor) -> AsyncIterator[Submit]:
    loop = asyncio.get_running_loop()
    with executor:
        yield functools.partial(loop.run_in_executor, executor)


def process_pool_executor() -> AbstractAsyncContextManager[Submit]:
    context = multiprocessing.get_context("forkserver")
    return in_processes(concurrent.futures.ProcessPoolExecutor(WORKERS, context))


def forked_executor() -> AbstractAsyncContextManager[Submit]:
    context = multiprocessing.get_context("fork")
    return in_processes(concurrent.futures.ProcessPoolExecutor(WORKERS, context))


def loky_executor() -> AbstractAsyncContextManager[Submit]:
    import loky

    return in_processes(loky.ProcessPoolExecutor(WORKERS))


@asynccontextmanager
async def anyio_to_process() -> AsyncIterator[Submit]:
    import anyio.to_process

    yield functools.partial(anyio.to_process.run_sync, limiter=anyio.CapacityLimiter(WORKERS))


def by_callback(apply_async: Callable[..., object]) -> Submit:
    """Return what submits to a pool that calls back in a thread of its own."""
    loop = asyncio.get_running_loop()

    def submit(function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = loop.create_future()

        def ended(value: Any) -> None:
            loop.call_soon_threadsafe(future.set_result, value)

        apply_async(function, args, callback=ended)
        return future

    return submit


@asynccontextmanager
async def multiprocessing_pool() -> AsyncIterator[Submit]:
    with multiprocessing.get_context("forkserver").Pool(WORKERS) as pool:
        yield by_callback(pool.apply_async)


@asynccontextmanager
async def mpire_pool() -> AsyncIterator[Submit]:
    import mpire

    with mpire.WorkerPool(WORKERS, start_method="forkserver") as pool:
        yield by_callback(pool.apply_async)


async def called(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function, for pools that run coroutine functions alone."""
    return function(*args)


@asynccontextmanager
async def aiomultiprocess_pool() -> AsyncIterator[Submit]:
    import aiomultiprocess

    async with aiomultiprocess.Pool(WORKERS) as pool:
        yield lambda function, *args: pool.apply(called, (function, *args))


@asynccontextmanager
async def dask_cluster() -> AsyncIterator[Submit]:
    import distributed

    async with distributed.Client(
        n_workers=WORKERS,
        threads_per_worker=1,
        processes=True,
        asynchronous=True,
        dashboard_address=None,
    ) as client:
        yield functools.partial(client.submit, pure=False)


@asynccontextmanager
async def ray_tasks() -> AsyncIterator[Submit]:
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    try:
        call = ray.remote(lambda function, *args: function(*args))
        yield call.remote
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class Contender:
    """One pool on one loop.

    Attributes:
        name: as given to --pools and as stored.
        workers: what runs the functions.
        opened: opens the pool; None: the floor, a program.
        program: the floor.
        loop: one of the loops that are benchmarked.
        package: what is imported to have the pool.
        default: whether it is measured when --pools does not name it.
    """

    name: str
    workers: Workers
    opened: Callable[[], AbstractAsyncContextManager[Submit]] | None
    loop: str = "asyncio"
    package: str = ""
    default: bool = True
    program: str = ""

    def missing(self) -> str | None:
        """Return why this one cannot be measured here; None: it can."""
        if self.opened is None:
            return why_not_compiled(self.program)
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        return LOOPS[self.loop].missing()

    def new_loop(self) -> LoopFactory:
        return LOOPS[self.loop].load()


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("run_in_executor", "threads", run_in_executor),
        Contender("asyncio.to_thread", "threads", asyncio_to_thread),
        Contender("anyio", "threads", anyio_to_thread, package="anyio"),
        Contender("fournil", "threads", ours),
        Contender("run_in_executor on uvloop", "threads", run_in_executor, "uvloop"),
        Contender("fournil on uvloop", "threads", ours, "uvloop"),
        Contender("run_in_executor on fournil", "threads", run_in_executor, "fournil"),
        Contender("fournil on fournil", "threads", ours, "fournil"),
        Contender("fournil as an executor", "threads", executor_of_ours, default=False),
        Contender("futex-c", "threads", None, program="futex_hop"),
        Contender("asyncio", "default", default_executor),
        Contender("uvloop", "default", default_executor, "uvloop"),
        Contender("asyncio.to_thread on fournil", "default", default_executor, "fournil"),
        Contender("ProcessPoolExecutor", "processes", process_pool_executor),
        Contender("ProcessPoolExecutor by fork", "processes", forked_executor, default=False),
        Contender("anyio.to_process", "processes", anyio_to_process, package="anyio"),
        Contender("multiprocessing.Pool", "processes", multiprocessing_pool),
        # joblib runs its calls in loky's executor.
        Contender("loky", "processes", loky_executor, package="loky"),
        Contender("mpire", "processes", mpire_pool, package="mpire"),
        # These take several times as long as the executors, or long to start.
        Contender(
            "aiomultiprocess",
            "processes",
            aiomultiprocess_pool,
            package="aiomultiprocess",
            default=False,
        ),
        Contender("Dask", "processes", dask_cluster, package="distributed", default=False),
        Contender("Ray", "processes", ray_tasks, package="ray", default=False),
        Contender("fournil processes", "processes", our_processes),
        Contender("fournil processes on uvloop", "processes", our_processes, "uvloop"),
        Contender("fournil processes on fournil", "processes", our_processes, "fournil"),
        Contender("socket-c", "processes", None, program="socket_hop"),
        Contender(
            "InterpreterPoolExecutor",
            "interpreters",
            interpreter_pool_executor,
            package=INTERPRETERS,
        ),
        Contender("fournil interpreters", "interpreters", our_interpreters, package=INTERPRETERS),
        Contender(
            "fournil interpreters on fournil",
            "interpreters",
            our_interpreters,
            "fournil",
            package=INTERPRETERS,
        ),
    )
}

BASELINES: dict[Workers, str] = {
    "threads": "run_in_executor",
    "default": "asyncio",
    "processes": "ProcessPoolExecutor",
    "interpreters": "InterpreterPoolExecutor",
}
