"""Pools whose workers share no objects with their program."""

from __future__ import annotations

import abc
import os
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from fournil._worker.handlers import pass_on
from fournil._worker.pickling.packing import pack
from fournil._worker.pickling.refusing import refusal
from fournil.offload.arguments import at_least_one, number_of_seconds
from fournil.offload.call import Call
from fournil.offload.isolated.engine import Engine
from fournil.offload.isolated.supervisor import MakeStarter, MakeWorker, Options
from fournil.offload.pool import Pool
from fournil.offload.statistics import WorkerStatistics


class IsolatedPool(Pool):
    """A pool whose workers are reached through a channel each, by what is pickled.

    A kind of pool provides `_makers`.

    Args:
        workers: how many workers at most, started as they are needed; as many as processors unless
            given.
        initializer: called once in each worker before its calls; what it returns is what
            `fournil.worker_state` returns there.
        initargs: its arguments.
        context_vars: context variables whose values go with each call.
        max_tasks_per_child: how many calls a worker runs before another takes its place.
        idle_timeout: after how many seconds with nothing to do a worker ends; None: never.
        grace: how many seconds an interrupted call has before its worker is killed.
        name: what the workers' names begin with.
    """

    def __init__(
        self,
        workers: int | None,
        *,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
        context_vars: Iterable[ContextVar[Any]],
        max_tasks_per_child: int | None,
        idle_timeout: float | None,
        grace: float,
        name: str,
    ) -> None:
        super().__init__(len(os.sched_getaffinity(0)) if workers is None else workers)
        self._most_calls = at_least_one("max_tasks_per_child", max_tasks_per_child)
        if idle_timeout is not None:
            number_of_seconds("idle_timeout", idle_timeout)
        number_of_seconds("grace", grace)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer is a function, got {initializer!r}")
        self.initializer = initializer
        self.initargs = tuple(initargs)
        self.context_vars = tuple(context_vars)
        self.idle_timeout = idle_timeout
        self.grace = grace
        self.name = name
        self._engine: Engine | None = None  # until the pool begins to work

    @abc.abstractmethod
    def _makers(self) -> tuple[MakeStarter, MakeWorker]:
        """Return what makes that which starts workers, and what makes workers.

        Neither holds the pool: one that is thrown away open is to end.
        """

    # As a kind of pool.

    def _start(self) -> None:
        given = (self.initializer, self.initargs)
        try:
            first = pack(given) if self.initializer is not None else (b"", [])
        except BaseException as why:
            pass_on(why)
            raise refusal("the initializer", given, why) from why
        make_starter, make_worker = self._makers()
        options = Options(
            title=repr(self),
            name=self.name,
            workers=self.workers,
            first=first,
            context_vars=self.context_vars,
            most_calls=self._most_calls,
            idle_timeout=self.idle_timeout,
            grace=self.grace,
            make_starter=make_starter,
            make_worker=make_worker,
        )
        assert self._loop is not None
        engine = Engine(self._loop, self._calls, self._account, options)
        # What makes it impossible is told at once.
        engine.have_starter()
        self._engine = engine

    def _submit(self, call: Call[Any]) -> None:
        assert self._engine is not None
        self._engine.submit(call)

    def _cancel(self, call: Call[Any]) -> None:
        if self._engine is not None:
            self._engine.cancel(call)

    def _stop(self) -> None:
        if self._engine is not None:
            self._engine.stop()

    async def _join(self) -> None:
        if self._engine is not None:
            await self._engine.until_gone()

    def __del__(self) -> None:
        super().__del__()
        # After a `close` that was cancelled as well.
        engine = getattr(self, "_engine", None)
        if engine is not None and not self._calls.is_elsewhere:
            engine.terminate()

    def _leave(self) -> None:
        if self._engine is not None:
            self._engine.leave()

    def _waiting(self) -> int:
        return 0 if self._engine is None else self._engine.waiting()

    def _workers(self) -> tuple[WorkerStatistics, ...]:
        return () if self._engine is None else self._engine.statistics()

    def _cpu_ns(self) -> int:
        return 0 if self._engine is None else self._engine.cpu_ns()

    def _follow_recorder(self) -> None:
        super()._follow_recorder()
        if self._engine is not None:
            self._engine.follow_recorder()


def setup(name: str) -> dict[str, Any]:
    """Return what all workers need to know of this process.

    Args:
        name: what their names begin with.
    """
    return {
        "path": _texts(sys.path),
        "argv": _texts(getattr(sys, "argv", ())),
        "name": str(name),
        "levels": _levels(),
        "most_memory": None,
    }


def _texts(values: Iterable[object]) -> list[str]:
    """Return the texts among values, each of which may be of a class of its own."""
    return [str.__str__(value) for value in values if isinstance(value, str)]


def _levels() -> dict[str, int]:
    logging = sys.modules.get("logging")
    if logging is None:
        return {}
    from fournil._worker.logs import levels

    return {str(name): int(level) for name, level in levels().items()}
