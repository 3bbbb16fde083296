"""Processes as workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Literal, ParamSpec, TypeVar

from fournil.offload.arguments import at_least_one
from fournil.offload.call import Call
from fournil.offload.isolated.forkserver import Forkserver
from fournil.offload.isolated.pool import IsolatedPool, setup
from fournil.offload.isolated.process import WorkerProcess
from fournil.offload.isolated.supervisor import MakeStarter, MakeWorker, Supervisor
from fournil.offload.lifetime import OwnPools

P = ParamSpec("P")
R = TypeVar("R")

IDLE_S = 60.0
"""After so many seconds with nothing to do a process of `to_process` ends."""


class ProcessPool(IsolatedPool):
    """A pool of processes, for Python code and C code that keep the GIL.

    Functions, arguments and results are pickled; what pickle refuses (lambdas, closures, what a
    script, a notebook or a module that only the program has defines) travels by value, by
    cloudpickle. Big buffers, as of numpy's arrays, travel through shared memory; `fournil.share`
    places one there once for many calls. Arguments must not be changed while the call waits.

    A call that is cancelled while it runs is interrupted: `asyncio.CancelledError` is raised in
    its function, so that its `finally` blocks run. If it has not ended after a grace period its
    worker is killed, and another takes its place. So `asyncio.timeout()` ends any call. The death
    of a worker, whatever it died of, costs the call that it ran and no other.

    Args:
        workers: how many processes at most, started as they are needed; as many as processors
            unless given.
        start_method: "forkserver": forked from a process of the pool's own that is clean of the
            program's threads, in milliseconds; "spawn": each a fresh interpreter.
        preload: names of modules that the workers are forked with, already imported.
        initializer: called once in each worker before its calls; what it returns is what
            `fournil.worker_state` returns there.
        initargs: its arguments.
        context_vars: context variables whose values go with each call.
        max_tasks_per_child: how many calls a worker runs before another takes its place.
        max_memory_per_child: the resident memory, in bytes, above which a worker is replaced.
        idle_timeout: after how many seconds with nothing to do a worker ends; None: never.
        grace: how many seconds an interrupted call has before its worker is killed; `math.inf`:
            it is never killed.
        name: what the workers' names begin with.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     async with ProcessPool(workers=2) as pool:
        ...         return [square async for square in pool.map(lambda n: n * n, range(4))]
        >>> asyncio.run(main())
        [0, 1, 4, 9]
    """

    _kind = "ProcessPool"

    def __init__(
        self,
        workers: int | None = None,
        *,
        start_method: Literal["forkserver", "spawn"] = "forkserver",
        preload: Sequence[str] = (),
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        context_vars: Iterable[ContextVar[Any]] = (),
        max_tasks_per_child: int | None = None,
        max_memory_per_child: int | None = None,
        idle_timeout: float | None = None,
        grace: float = 1.0,
        name: str = "fournil process",
    ) -> None:
        super().__init__(
            workers,
            initializer=initializer,
            initargs=initargs,
            context_vars=context_vars,
            max_tasks_per_child=max_tasks_per_child,
            idle_timeout=idle_timeout,
            grace=grace,
            name=name,
        )
        if start_method not in ("forkserver", "spawn"):
            raise ValueError(f"start_method is 'forkserver' or 'spawn', got {start_method!r}")
        if isinstance(preload, str):
            raise TypeError(f"preload is a list of names of modules, got the text {preload!r}")
        self.start_method = start_method
        self.preload = list(preload)
        self.max_memory_per_child = at_least_one("max_memory_per_child", max_memory_per_child)

    def _makers(self) -> tuple[MakeStarter, MakeWorker]:
        told = {
            "spawn": self.start_method == "spawn",
            "preload": [str(name) for name in self.preload],
            "most_memory": self.max_memory_per_child,
        }
        name = self.name

        def make_starter(engine: Supervisor) -> Forkserver:
            return Forkserver(engine.loop, engine, {**setup(name), **told})

        return make_starter, WorkerProcess


_own = OwnPools(lambda: ProcessPool(name="fournil.to_process", idle_timeout=IDLE_S))


def to_process(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
    """Have a process of the loop's own pool call a function; await this for the result.

    A call that is cancelled while it runs is interrupted, and killed after a second: see
    `ProcessPool`. Processes with nothing to do for a minute end.

    Raises:
        RuntimeError: no event loop runs here.
        BaseException: what the function raises, where the result is awaited.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     return await to_process(pow, 2, 10)
        >>> asyncio.run(main())
        1024
    """
    return _own.run(function, args, kwargs)
