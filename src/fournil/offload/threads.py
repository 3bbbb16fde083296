"""Threads as workers."""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, ParamSpec, TypeVar

from fournil.errors import PoolError
from fournil.offload.call import Call, name_of, outcome_of
from fournil.offload.pool import Pool, WorkerStatistics

P = ParamSpec("P")
R = TypeVar("R")

AT_ONCE = 500
"""So many outcomes are handed on in one step of the loop; then others have their turn."""


class ThreadPool(Pool):
    """A pool of threads, for calls that wait, and for C code that gives the GIL away.

    A thread cannot be stopped. So a call that is cancelled while it runs is awaited out: whoever
    awaits it gets the cancellation when the function has ended, whose result is dropped. The
    function may ask by `fournil.cancelled()`, and end early. Or such a call is abandoned: whoever
    awaits it goes on at once, and the thread is taken until the function ends.

    Context variables have the values of the code that called `run` or went on with `map`.

    Args:
        workers: how many threads at most, started as they are needed; as many as processors
            and four, at most 32, unless given.
        abandon_on_cancel: whether calls that are cancelled while they run are abandoned.
        name: what the threads' names begin with.

    Example:
        >>> import asyncio, time
        >>> async def main():
        ...     async with ThreadPool(workers=2) as pool:
        ...         await asyncio.gather(*(pool.run(time.sleep, 0.01) for _ in range(4)))
        ...         return pool.statistics().done
        >>> asyncio.run(main())
        4
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        abandon_on_cancel: bool = False,
        name: str = "fournil thread",
    ) -> None:
        super().__init__(min(32, (os.cpu_count() or 1) + 4) if workers is None else workers)
        self.abandon_on_cancel = abandon_on_cancel
        self.name = name
        # Of the loop's thread alone.
        self._threads: list[Worker] = []
        self._lost = 0  # how many are taken by calls that were abandoned

    def __repr__(self) -> str:
        return f"<ThreadPool of {self.workers} workers>"

    def _start(self) -> None:
        assert self._loop is not None
        self._shared = Shared(self._loop, self._collect)

    def _submit(self, call: Call[Any]) -> None:
        call.context = contextvars.copy_context()
        threads = len(self._threads)
        if threads < self.workers and len(self._in_flight) + self._lost >= threads:
            self._start_thread()
        self._shared.calls.put(call)

    def _start_thread(self) -> None:
        worker = Worker(f"{self.name} {len(self._threads) + 1}", self._shared)
        try:
            worker.thread.start()
        except RuntimeError as error:
            if not self._threads:
                raise PoolError(f"no thread could be started for {self!r}: {error}") from error
        else:
            self._threads.append(worker)

    def _collect(self) -> None:
        """Hand on the outcomes of calls that have ended."""
        shared = self._shared
        # Before the look: what ends after it wakes the loop again.
        shared.woken = False
        for _ in range(AT_ONCE):
            try:
                call, value, error = shared.ended.popleft()
            except IndexError:
                return
            self._lost -= call.abandoned
            self._ended(call, value, error)
        shared.wake()

    def _cancel(self, call: Call[Any]) -> None:
        if self.abandon_on_cancel:
            self._lost += 1
            self._abandon(call)

    def _stop(self) -> None:
        for _ in self._threads:
            self._shared.calls.put(None)
        self._threads.clear()

    def _workers(self) -> tuple[WorkerStatistics, ...]:
        return tuple(worker.statistics() for worker in self._threads)


class Shared:
    """What the loop's thread and the workers share.

    `calls` and `ended` may be used by any thread. `woken` is set by workers and cleared by the
    loop's thread, always before it looks at `ended`: of several calls that end together, the
    first wakes the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, collect: Callable[[], None]) -> None:
        self.loop = loop
        self.collect = collect
        self.calls: queue.SimpleQueue[Call[Any] | None] = queue.SimpleQueue()
        self.ended: deque[tuple[Call[Any], Any, BaseException | None]] = deque()
        self.woken = False

    def wake(self) -> None:
        """Have the loop look at what has ended, if it does not already."""
        if self.woken:
            return
        self.woken = True
        try:
            self.loop.call_soon_threadsafe(self.collect)
        except RuntimeError:
            pass  # the loop is closed: nobody waits for anything any more


class Worker:
    """A thread of a pool; its fields are written by the thread, and read by the loop's."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.call: Call[Any] | None = None
        self.calls = 0
        self.busy_ns = 0
        # One that runs for ever must not keep the process from ending.
        self.thread = threading.Thread(target=self.work, args=(shared,), name=name, daemon=True)

    def work(self, shared: Shared) -> None:
        take = shared.calls.get
        end = shared.ended.append
        while (call := take()) is not None:
            if not call.take():
                continue
            self.call = call
            value, error = outcome_of(call)
            self.call = None
            self.calls += 1
            self.busy_ns += call.ended_ns - call.began_ns
            end((call, value, error))
            # A thread that waits for its next call must not keep what the last one was given.
            del call, value, error
            if not shared.woken:
                shared.wake()

    def statistics(self) -> WorkerStatistics:
        call = self.call
        return WorkerStatistics(
            name=self.thread.name,
            calls=self.calls,
            busy_s=self.busy_ns / 1e9,
            running=None if call is None else name_of(call.function),
        )


# The default pool of each loop: closed by the end of an async generator, which `asyncio.run`
# ends with the loop (`shutdown_asyncgens`).

_default_pools: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, tuple[ThreadPool, AsyncGenerator[None, None]]
] = weakref.WeakKeyDictionary()


def to_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
    """Have a thread of the loop's own pool call a function; await this for the result.

    As `asyncio.to_thread`, but that a call which has not begun when it is cancelled never runs,
    and one that runs is awaited out, and may ask by `fournil.cancelled()`.

    Raises:
        RuntimeError: no event loop runs here.
        BaseException: what the function raises, where the result is awaited.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     return await to_thread(pow, 2, 10)
        >>> asyncio.run(main())
        1024
    """
    loop = asyncio.get_running_loop()
    kept = _default_pools.get(loop)
    if kept is None or kept[0]._closed:
        pool = ThreadPool(name="fournil.to_thread")
        lifetime = _until_the_loop_ends(loop, pool)
        try:
            # It gets to its `yield` without waiting for anything.
            lifetime.__anext__().send(None)
        except StopIteration:
            pass
        kept = _default_pools[loop] = pool, lifetime
    return kept[0].run(function, *args, **kwargs)


async def _until_the_loop_ends(
    loop: asyncio.AbstractEventLoop, pool: ThreadPool
) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        # The pool holds its loop, which would live as long as the entry.
        _default_pools.pop(loop, None)
        await pool.close()
