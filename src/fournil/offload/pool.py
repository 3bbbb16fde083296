"""The one contract of all pools."""

from __future__ import annotations

import abc
import asyncio
import threading
import warnings
import weakref
from collections.abc import AsyncIterable, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from fournil.errors import PoolClosedError, PoolError
from fournil.offload import forking
from fournil.offload.account import Account
from fournil.offload.arguments import whole
from fournil.offload.call import Call, new_call
from fournil.offload.calls import Calls
from fournil.offload.statistics import PoolStatistics, WorkerStatistics
from fournil.record import hook

if TYPE_CHECKING:
    from typing import Self

    from fournil.offload.executor import PoolExecutor
    from fournil.offload.mapping import Results

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
Items = Iterable[A] | AsyncIterable[A]


class Pool(abc.ABC):
    """Workers that run functions for one event loop.

    A pool is used from the loop in which it was first used, or entered. Entered by `async with`,
    it is closed at the end of the block: after all its calls, or, when the block is left by an
    exception, by cancelling them.

    A kind of pool provides `_kind`, what reports call it; `name`, what its workers' names begin
    with; `_start`, `_submit`, `_cancel`, `_stop`, `_leave`, `_workers` and `_cpu_ns`; and, where
    need be, `_connect`, `_join` and `_waiting`. It may count on these:

    - All are called in the thread of `self._loop`, while it runs, but for the `_stop` of a pool
      that was thrown away open, and `_leave` in a forked child: nothing else follows there.
    - `_start` comes first and once, `_submit` never after `_stop`, and `_cancel` at most once a
      call, of a call that was taken. `_submit` may come before `_connect` has returned, where
      nobody enters the pool.

    and keeps to these:

    - `call.take()` comes before a worker gets a call, to run it now or later; when it returns
      False the call was dropped, and is forgotten. Not yet taken, a call that is cancelled is
      dropped without asking the kind.
    - Each call that was taken is given back in the loop's thread, once: by `_ended` with its
      outcome, or by `_calls.drop` when it is cancelled and certain never to run. In between,
      `_abandon` lets whoever awaits it go on; `_ended` still follows when it ends.
    - Before `_ended`, the call's `worker`, `began_ns` and `ended_ns` are set, and `sent_ns` where
      calls travel. A worker whose clock is another tells how long the call ran.

    Args:
        workers: how many workers there are at most.
    """

    name: str
    _kind: str

    _calls_a_worker = 2
    """How many calls `map` has in flight for each worker unless told: one runs, one waits."""

    def __init__(self, workers: int) -> None:
        if whole("workers", workers) < 1:
            raise ValueError(f"a pool needs at least one worker, got workers={workers}")
        self.workers = workers
        # All of it is the loop's thread's alone.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0  # in which the loop runs
        self._account = Account(weakref.WeakMethod(self._cpu_ns))
        self._calls = Calls(self._account, weakref.WeakMethod(self._cancel))
        self._in_flight = self._calls.in_flight
        self._ended = self._calls.ended
        self._abandon = self._calls.abandon
        # Of any thread, which adds to it or takes away in one step of the interpreter.
        self._executors: dict[int, weakref.ref[PoolExecutor]] = {}

    def __repr__(self) -> str:
        return f"<{self._kind} of {self.workers} worker{'s' * (self.workers > 1)}>"

    # What its user calls.

    async def __aenter__(self) -> Self:
        self._open()
        try:
            await self._connect()
        except BaseException:
            self.cancel()
            await self.close()
            raise
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
            `asyncio.create_task`, `gather` or `wait_for`. (`asyncio.wait` takes tasks alone.)

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
        second: Items[Any],
        third: Items[Any],
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
            in_flight: how many calls are queued or run at a time, or have results that were not
                asked for yet; unless given, as many as keep all workers busy.

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
            in_flight = self._calls_a_worker * self.workers
        if in_flight < 1:
            raise ValueError(f"map() needs at least one call in flight, got in_flight={in_flight}")
        return Results(self._call, function, (items, *more), ordered, in_flight)

    @property
    def executor(self) -> PoolExecutor:
        """The pool as an executor of `concurrent.futures`, for code that wants one.

        In the thread of the pool's loop the pool begins to work, if it did not yet; other threads
        and other loops may ask from then on, and have the pool run their calls.

        Raises:
            PoolClosedError: the pool is closed.
            PoolError: it has not begun to work and no loop runs here; or it belongs to the process
                that this one was forked from.

        Example:
            await loop.run_in_executor(pool.executor, function)
        """
        from fournil.offload.executor import PoolExecutor

        loop = self._loop
        if loop is None or self._calls.is_elsewhere or _loop_here() is loop:
            self._open()
            loop = self._loop
            assert loop is not None
        executor = PoolExecutor(loop, self._thread, self._call, self._check_process, self._refusal)
        number, known = id(executor), self._executors
        known[number] = weakref.ref(executor, lambda _: known.pop(number, None))
        # Only now: it is closed in its own thread.
        if self._calls.closed:
            raise self._refusal()
        return executor

    def _all_executors(self) -> list[PoolExecutor]:
        found = [held() for held in list(self._executors.values())]
        return [executor for executor in found if executor is not None]

    def statistics(self) -> PoolStatistics:
        """Return what the pool did so far, and has to do."""
        workers = self._workers()
        return PoolStatistics(
            queued=self._waiting(),
            running=sum(worker.running is not None for worker in workers),
            done=self._account.done,
            failed=self._account.failed,
            refused=self._account.refused,
            cancelled=self._account.cancelled,
            abandoned=self._account.abandoned,
            workers=workers,
        )

    def cancel(self) -> None:
        """Cancel all calls: those that have not begun are dropped."""
        self._calls.cancel_all()

    async def close(self) -> None:
        """Take no more calls, and return when all have ended and the workers are told to end.

        Calls that were abandoned are not waited for. To close again does nothing. Cancelled, as
        by a timeout, it cancels the calls that are left and does not wait for them. In a forked
        child it only lets go of whoever awaits calls there.
        """
        if self._calls.is_elsewhere:
            self.cancel()
            return
        if self._loop is not None and not self._calls.closed:
            self._check_place()
        self._calls.closed = True
        for executor in self._all_executors():
            executor.refuse()
        try:
            await self._calls.until_none()
        finally:
            self.cancel()
            self._account.note_cpu()
            if self._loop is not None:
                self._stop()
        if not self._in_flight:
            self._account.close()
        if self._loop is not None:
            await self._join()

    def stop(self) -> None:
        """Take no more calls, and have the workers end when they have ended theirs.

        As `close`, for who cannot await: nothing is waited for.
        """
        self._calls.closed = True
        for executor in self._all_executors():
            executor.refuse()
        if self._loop is not None:
            self._stop()

    def __del__(self) -> None:
        # Not all is there after an error in `__init__`.
        if getattr(self, "_loop", None) is None:
            return
        if self._calls.closed or self._calls.is_elsewhere:
            return
        warnings.warn(
            f"{self!r} was never closed: use 'async with', or await its close()",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )
        self._calls.closed = True
        self._stop()

    # What calls of it go through.

    def _open(self) -> None:
        """Begin to belong to the running loop; raise if the pool takes no calls here."""
        if self._loop is None and not self._calls.closed:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            self._calls.process = forking.process
            try:
                self._start()
                forking.when_forked(self._leave_all)
            except BaseException:
                self._loop = None
                self._calls.process = 0
                raise
        self._check_place()
        if self._calls.closed:
            raise self._refusal()

    def _leave_all(self) -> None:
        """Let go, in a forked child, of what is the parent's."""
        # What the child has would keep the workers, should the parent end before it.
        self._leave()
        for executor in self._all_executors():
            executor.leave()

    def _refusal(self) -> PoolClosedError:
        """Return what to raise about a call for a closed pool."""
        return PoolClosedError(f"{self!r} is closed: it takes no more calls")

    def _check_process(self) -> None:
        if self._calls.is_elsewhere:
            raise PoolError(
                f"{self!r} belongs to process {self._calls.process}, of which this one,"
                f" {forking.process}, was forked: its workers stayed there; make a new pool here"
            )

    def _check_place(self) -> None:
        if self._loop is None:
            return
        self._check_process()
        if (here := _loop_here()) is not self._loop:
            which = (
                "an event loop, and none runs here"
                if here is None
                else "another event loop than the one that runs here"
            )
            raise PoolError(
                f"{self!r} belongs to {which}:"
                " make a pool in each loop, or give calls to pool.executor, which any thread may"
                " use while that loop runs"
            )

    def _call(
        self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call[R]:
        """Submit a call and return it, to be awaited."""
        if not callable(function):
            raise TypeError(
                f"a pool runs functions, and {function!r} cannot be called: give it the function,"
                " then its arguments, as in run(function, argument)"
            )
        loop = self._loop
        calls = self._calls
        try:
            is_here = asyncio.get_running_loop() is loop
        except RuntimeError:
            is_here = False  # none runs
        if not is_here or loop is None or calls.closed or calls.process != forking.process:
            self._open()
            loop = self._loop
            assert loop is not None
        call: Call[R] = new_call(self, calls, function, args, kwargs, loop)
        account = self._account
        if hook.changes != account.followed:
            self._follow_recorder()
        self._submit(call)
        if account.record is not None:
            call.subject = account.record.queued()
        calls.in_flight.add(call)
        return call

    def _follow_recorder(self) -> None:
        """Begin to be recorded, or be so no more: a recording began or ended."""
        self._account.follow_recorder(self._kind, self.name, self.workers)

    # What a kind of pool provides.

    @abc.abstractmethod
    def _start(self) -> None:
        """Begin to work for `self._loop`; raise if that is impossible, and may be tried again."""

    @abc.abstractmethod
    def _submit(self, call: Call[Any]) -> None:
        """Have a worker run the call; raise what makes that impossible, and forget the call."""

    @abc.abstractmethod
    def _cancel(self, call: Call[Any]) -> None:
        """Do what can be done about a call that was taken, and is to be cancelled.

        `call.cancelling` is set. If nothing can be done, nothing need be: whoever awaits the call
        goes on when it has ended.
        """

    @abc.abstractmethod
    def _stop(self) -> None:
        """End the workers, as soon as each has ended its call; may be called again."""

    @abc.abstractmethod
    def _leave(self) -> None:
        """Let go, in a forked child, of what is the parent's: its workers, and descriptors here."""

    async def _connect(self) -> None:  # noqa: B027
        """Wait until workers can be reached, where that must be waited for.

        Awaited by who enters the pool; what it raises comes out there, and the pool is closed.
        """

    async def _join(self) -> None:  # noqa: B027
        """Wait until what `_stop` ends has ended, where that must be waited for."""

    def _waiting(self) -> int:
        """Return how many calls have not begun; as long as they are taken when they begin."""
        return sum(hasattr(call, "ticket") for call in self._in_flight)

    @abc.abstractmethod
    def _workers(self) -> tuple[WorkerStatistics, ...]:
        """Return what each worker did so far."""

    @abc.abstractmethod
    def _cpu_ns(self) -> int:
        """Return how long the workers used the CPU for calls so far, as far as is known.

        Asked while the pool is recorded: workers need not count else.
        """


def _loop_here() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
