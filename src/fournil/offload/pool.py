"""The one contract of all pools."""

from __future__ import annotations

import abc
import asyncio
import os
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from fournil.errors import PoolClosedError, PoolError
from fournil.offload.call import Call

if TYPE_CHECKING:
    from typing import Self

    from fournil.offload.executor import PoolExecutor
    from fournil.offload.mapping import Results

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
Items = Iterable[A] | AsyncIterable[A]


@dataclass(frozen=True)
class WorkerStatistics:
    """What one worker of a pool did so far.

    Attributes:
        name: the worker's.
        calls: how many calls it ended.
        busy_s: how many seconds it ran functions, the call that it runs now left out.
        running: the name of the function that it runs now; None: it is idle.
    """

    name: str
    calls: int
    busy_s: float
    running: str | None


@dataclass(frozen=True)
class PoolStatistics:
    """What a pool did so far, and has to do.

    Attributes:
        queued: calls that have not begun.
        running: calls that run, abandoned ones too.
        done: calls that returned.
        failed: calls that raised.
        cancelled: calls that were cancelled, before they began or while they ran.
        abandoned: of `cancelled`, those that nobody waited for while they ran on.
        workers: each worker.
    """

    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    abandoned: int
    workers: tuple[WorkerStatistics, ...]


class Pool(abc.ABC):
    """Workers that run functions for one event loop.

    A pool is used from the loop in which it was first used, or entered. Entered by `async with`,
    it is closed at the end of the block: after all its calls, or, when the block is left by an
    exception, by cancelling them.

    A kind of pool provides `_start`, `_submit`, `_cancel`, `_stop` and `_workers`, all of which
    are called in the loop's thread. It calls `_ended` there for each call that it submitted and
    that was not dropped, once, with the outcome.

    Args:
        workers: how many workers there are at most.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"a pool needs at least one worker, got workers={workers}")
        self.workers = workers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0
        self._closed = False
        self._in_flight: set[Call[Any]] = set()
        self._idle: asyncio.Future[None] | None = None
        self._done = self._failed = self._cancelled = self._abandoned = 0

    # What its user calls.

    async def __aenter__(self) -> Self:
        self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.cancel()
        await self.close()

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Have a worker call a function; await what this returns for the result.

        The call is submitted at once. Cancelled before it has begun, it never runs.

        Returns:
            a future that asyncio also takes for a coroutine: await it, or give it to a task group,
            `asyncio.create_task`, `gather` or `wait_for`.

        Raises:
            PoolClosedError: the pool is closed.
            PoolError: it belongs to another loop, or to the process that this one was forked from.
            BaseException: what the function raises.

        Example:
            >>> import asyncio
            >>> from fournil import ThreadPool
            >>> async def main():
            ...     async with ThreadPool() as pool:
            ...         return await pool.run(pow, 2, 10)
            >>> asyncio.run(main())
            1024
        """
        return self._call(function, args, kwargs)

    @overload
    def map(
        self,
        function: Callable[[A], R],
        items: Items[A],
        /,
        *,
        ordered: bool = True,
        in_flight: int | None = None,
    ) -> Results[R]: ...
    @overload
    def map(
        self,
        function: Callable[[A, B], R],
        items: Items[A],
        more: Items[B],
        /,
        *,
        ordered: bool = True,
        in_flight: int | None = None,
    ) -> Results[R]: ...
    @overload
    def map(
        self,
        function: Callable[..., R],
        items: Items[Any],
        /,
        *more: Items[Any],
        ordered: bool = True,
        in_flight: int | None = None,
    ) -> Results[R]: ...
    def map(
        self,
        function: Callable[..., R],
        items: Items[Any],
        /,
        *more: Items[Any],
        ordered: bool = True,
        in_flight: int | None = None,
    ) -> Results[R]:
        """Call a function for each item; an async iterator over the results.

        Items are taken as results are asked for, so that they, and the results, may be endless.
        To leave the loop over the results early cancels the calls in flight. The first call that
        raises cancels the others; its exception comes out once.

        Args:
            function: what to call with each item, or with one of each of several iterables.
            items: an iterable or async iterable.
            more: further ones; the shortest ends the iteration, as in `zip`.
            ordered: whether results come in the order of the items, or as they are there.
            in_flight: how many calls are queued or run at a time; twice the workers unless given.

        Raises:
            ValueError: `in_flight` is less than one.

        Example:
            >>> import asyncio
            >>> from fournil import ThreadPool
            >>> async def main():
            ...     async with ThreadPool() as pool:
            ...         return [length async for length in pool.map(len, ["one", "three"])]
            >>> asyncio.run(main())
            [3, 5]
        """
        from fournil.offload.mapping import Results

        if in_flight is None:
            in_flight = 2 * self.workers
        if in_flight < 1:
            raise ValueError(f"map() needs at least one call in flight, got in_flight={in_flight}")
        return Results(self, function, (items, *more), ordered, in_flight)

    @property
    def executor(self) -> PoolExecutor:
        """The pool as an executor of `concurrent.futures`, for code that wants one.

        Example:
            await loop.run_in_executor(pool.executor, function)
        """
        from fournil.offload.executor import PoolExecutor

        self._open()
        return PoolExecutor(self)

    def statistics(self) -> PoolStatistics:
        """Return what the pool did so far, and has to do."""
        workers = self._workers()
        return PoolStatistics(
            queued=sum(bool(call.ticket) for call in self._in_flight),
            running=sum(worker.running is not None for worker in workers),
            done=self._done,
            failed=self._failed,
            cancelled=self._cancelled,
            abandoned=self._abandoned,
            workers=workers,
        )

    def cancel(self) -> None:
        """Cancel all calls: those that have not begun are dropped."""
        for call in list(self._in_flight):
            call.cancel()

    async def close(self) -> None:
        """Take no more calls, and return when all have ended and the workers are told to end.

        Calls that were abandoned are not waited for. To close again does nothing.
        """
        if self._loop is not None and not self._closed:
            self._check_place()
        self._closed = True
        try:
            while self._in_flight:
                if self._idle is None:
                    self._idle = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._idle)
        finally:
            # Cancelled, as by a timeout: the calls that are left are told so, and not waited for.
            self.cancel()
            self._stop()

    # What calls of it go through.

    def _open(self) -> None:
        """Begin to belong to the running loop."""
        if self._loop is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self._process = os.getpid()
            self._start()
        self._check_place()
        if self._closed:
            raise PoolClosedError(f"{self!r} is closed: it takes no more calls")

    def _check_place(self) -> None:
        if self._loop is None:
            return
        if self._process != os.getpid():
            raise PoolError(
                f"{self!r} belongs to process {self._process}, of which this one, {os.getpid()},"
                " was forked: its workers stayed there; make a new pool here"
            )
        if asyncio.get_running_loop() is not self._loop:
            raise PoolError(
                f"{self!r} belongs to another event loop than the one that runs here: make a pool"
                " in each loop, or use pool.executor from other threads"
            )

    def _call(
        self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call[R]:
        """Submit a call and return it, to be awaited."""
        if not callable(function):
            raise TypeError(f"a pool runs functions, and {function!r} cannot be called")
        self._open()
        assert self._loop is not None
        call = Call(self, function, args, kwargs, self._loop)
        self._submit(call)
        self._in_flight.add(call)
        return call

    def _dropped(self, call: Call[Any]) -> None:
        """Count a call that was cancelled before it began."""
        self._cancelled += 1
        self._left(call)

    def _ended(self, call: Call[Any], value: Any, error: BaseException | None) -> None:
        """Count a call that has ended, and hand on its outcome."""
        if call.abandoned:
            return
        if call.cancelling:
            self._cancelled += 1
        elif error is None:
            self._done += 1
        else:
            self._failed += 1
        call.settle(value, error)
        self._left(call)

    def _abandon(self, call: Call[Any]) -> None:
        """Wait no more for a call that runs."""
        call.abandoned = True
        self._cancelled += 1
        self._abandoned += 1
        call.abandon(call.message)
        self._left(call)

    def _left(self, call: Call[Any]) -> None:
        self._in_flight.discard(call)
        if not self._in_flight and self._idle is not None:
            if not self._idle.done():
                self._idle.set_result(None)
            self._idle = None

    # What a kind of pool provides.

    @abc.abstractmethod
    def _start(self) -> None:
        """Begin to work for `self._loop`."""

    @abc.abstractmethod
    def _submit(self, call: Call[Any]) -> None:
        """Have a worker run the call, unless it is cancelled before one takes it."""

    @abc.abstractmethod
    def _cancel(self, call: Call[Any]) -> None:
        """Do what can be done about a call that was taken, and is to be cancelled."""

    @abc.abstractmethod
    def _stop(self) -> None:
        """End the workers, as soon as each has ended its call; may be called again."""

    @abc.abstractmethod
    def _workers(self) -> tuple[WorkerStatistics, ...]:
        """Return what each worker did so far."""
