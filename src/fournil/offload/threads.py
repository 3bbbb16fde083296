"""ThreadPool, and `to_thread`: workers that are threads."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar

from fournil._worker.naming import name_of
from fournil._worker.running import refuse, runs
from fournil.errors import PoolError
from fournil.offload.call import Call
from fournil.offload.calling import CallQueue, Outcomes, Waiter, Wakes, traceback_of
from fournil.offload.lifetime import OwnPools
from fournil.offload.pool import Pool
from fournil.offload.statistics import WorkerStatistics
from fournil.record import hook

P = ParamSpec("P")
R = TypeVar("R")

RETRY_NS = 100_000_000
"""When a thread could not be started beside others, it is tried again so much later."""


class ThreadPool(Pool):
    """A pool of threads, for calls that wait, and for C code that gives the GIL away.

    A thread cannot be stopped. So a call that is cancelled while it runs is awaited out: whoever
    awaits it goes on when the function has ended, with the cancellation if it returned, and with
    its exception if it raised. The function may ask by `fournil.cancelled()`, and end early. Or
    such a call is abandoned: whoever awaits it goes on at once, and the thread is taken until the
    function ends; what it then raises goes to the loop's exception handler.

    Context variables have the values of the code that called `run` or went on with `map`.

    A worker whose calls come one after the other spins for up to 60 microseconds before it sleeps,
    as long as nobody else wants its processor.

    Args:
        workers: number of threads at most, started as they are needed; by default the number of
            processors and four, at most 32.
        abandon_on_cancel: whether calls that are cancelled while they run are abandoned.
        name: beginning of the threads' names.

    Example:
        >>> import asyncio, time
        >>> async def main():
        ...     async with ThreadPool(workers=2) as pool:
        ...         await asyncio.gather(*(pool.run(time.sleep, 0.01) for _ in range(4)))
        ...         return pool.statistics().done
        >>> asyncio.run(main())
        4
    """

    _kind = "ThreadPool"

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
        self._lost = 0  # threads that are taken by calls that were abandoned
        self._received_ns = 0  # when the outcomes came that are being handed on
        self._retry_ns = 0  # until then no thread is started, if there are others
        self._stopped = False

    def _start(self) -> None:
        assert self._loop is not None
        self._exchange = Exchange(self._loop, self)
        self._wakes = Wakes(self._exchange.queue, self.workers)

    def _submit(self, call: Call[Any]) -> None:
        call.context = contextvars.copy_context()
        threads = len(self._threads)
        if threads < self.workers and len(self._in_flight) + self._lost >= threads:
            self._start_thread()
        self._exchange.queue.calls.append(call)
        self._wakes.wake()

    def _start_thread(self) -> None:
        if self._retry_ns and self._threads and perf_counter_ns() < self._retry_ns:
            return
        try:
            worker = Worker(f"{self.name} {len(self._threads) + 1}", self._exchange)
        except (OSError, RuntimeError, MemoryError) as error:
            if not self._threads:
                reason = str(error) or type(error).__name__
                raise PoolError(f"no thread could be started for {self!r}: {reason}") from error
            self._retry_ns = perf_counter_ns() + RETRY_NS
        else:
            self._retry_ns = 0
            self._threads.append(worker)

    def _collect(self) -> None:
        """Hand on the outcomes of calls that have ended."""
        self._wakes.renew()
        self._received_ns = perf_counter_ns()
        self._exchange.outcomes.hand_on(self._take)
        if self._stopped and not self._exchange.outcomes.ended:
            self._leave_the_loop()

    def _take(self, call: Call[Any], value: Any, error: BaseException | None) -> None:
        self._lost -= call.abandoned
        self._ended(call, value, error, self._received_ns)

    def _cancel(self, call: Call[Any]) -> None:
        if self.abandon_on_cancel:
            self._lost += 1
            self._abandon(call)

    def _stop(self) -> None:
        self._stopped = True
        for worker in self._threads:
            worker.wake_to_end()
        self._threads.clear()
        self._leave_the_loop()

    def _leave_the_loop(self) -> None:
        # Calls that were abandoned, or left when `close` was cancelled, may still end.
        if not self._in_flight and not self._lost:
            self._exchange.outcomes.waker.close()

    def _leave(self) -> None:
        # What is to be called soon is called in the child too, if the loop goes on there.
        self._stopped = True
        self._exchange.queue.leave()
        self._threads.clear()
        self._exchange.outcomes.waker.leave()

    def _follow_recorder(self) -> None:
        super()._follow_recorder()
        self._exchange.record = self._account.record

    def _workers(self) -> tuple[WorkerStatistics, ...]:
        return tuple(worker.statistics() for worker in self._threads)

    def _cpu_ns(self) -> int:
        return sum(worker.cpu_ns for worker in self._threads)


class Exchange:
    """Queue and outcomes of one pool, which the loop's thread and the workers share.

    Nothing here holds the pool, so that one that was thrown away open can end its workers.

    Attributes:
        queue: calls to be run; the loop's thread appends, workers take.
        outcomes: calls that have ended; workers append, the loop's thread takes.
        record: the recorder's side of the pool; written by the loop's thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: ThreadPool) -> None:
        self.pool = weakref.ref(pool)
        self.queue: CallQueue[Call[Any]] = CallQueue()
        self.outcomes: Outcomes[Call[Any]] = Outcomes(loop, self.collect)
        self.record: hook.PoolRecord | None = None

    def collect(self) -> None:
        pool = self.pool()
        if pool is None:
            self.outcomes.waker.close()
        else:
            pool._collect()


class Worker(Waiter):
    """A thread of a pool; writes its own fields, which the loop's thread reads.

    Attributes:
        call: the call that runs; read by its function, too.
        calls, busy_ns: number of calls that ended here, and the time that they took.
        cpu_ns: CPU time of calls that ran while a recorder was on.
        ends: whether the thread is to end when it has nothing to do; written by the loop's thread
            before it wakes this one.
    """

    def __init__(self, name: str, exchange: Exchange) -> None:
        super().__init__()
        self.call: Call[Any] | None = None
        self.calls = 0
        self.busy_ns = 0
        self.cpu_ns = 0
        # The thread's own: the recorder's side of it, where it is watched, and what began that.
        self.watched: hook.ThreadRecord | None = None
        self.followed = 0
        self.name = name
        self.ends = False
        exchange.outcomes.waker.retain()
        try:
            # One that runs for ever must not keep the process from ending.
            self.thread = threading.Thread(
                target=self.work, args=(exchange,), name=name, daemon=True
            )
            self.thread.start()
        except BaseException:
            exchange.outcomes.waker.release()
            raise

    def wake_to_end(self) -> None:
        self.ends = True
        self.sleep.post()

    def work(self, exchange: Exchange) -> None:
        here = threading.get_ident()
        runs[here] = self
        queue = exchange.queue
        try:
            while True:
                try:
                    call = queue.calls.popleft()
                except IndexError:
                    if self.ends:
                        return
                    self.wait(queue)
                    continue
                if call.take():
                    self.run(call, exchange)
                # A thread that waits must not keep what its last call was given.
                del call
        finally:
            if self.watched is not None:
                self.watched.close()
            del runs[here]
            exchange.outcomes.waker.release()

    def run(self, call: Call[Any], exchange: Exchange) -> None:
        value = error = None
        self.call = call
        call.worker = self.name
        context = call.context
        assert context is not None
        # To ask for it takes as long as a tenth of a call.
        cpu = thread_time_ns() if hook.open_pool is not None else None
        record = exchange.record
        if hook.changes != self.followed:
            self.follow_watch()
        watched = self.watched
        call.began_ns = perf_counter_ns()
        if record is not None:
            record.began(self.name, call.function, call.began_ns)
        if watched is not None:
            watched.begin(call.function)
        try:
            if call.kwargs:
                value = context.run(call.function, *call.args, **call.kwargs)
            else:
                value = context.run(call.function, *call.args)
            if type(value) is CoroutineType:
                raise refuse(call.function, value)
        except BaseException as raised:
            # Without this frame, which says nothing to a reader.
            traceback = traceback_of.__get__(raised)
            traceback_of.__set__(raised, traceback and traceback.tb_next)
            error = raised
            del traceback
        call.ended_ns = perf_counter_ns()
        self.call = None
        if watched is not None:
            watched.end()
        if record is not None:
            record.idle(self.name)
        self.calls += 1
        self.busy_ns += call.ended_ns - call.began_ns
        if cpu is not None:
            self.cpu_ns += thread_time_ns() - cpu
        outcomes = exchange.outcomes
        outcomes.ended.append((call, value, error))
        # The frames that the error keeps lead back to this one.
        del call, value, error
        if not outcomes.woken:
            outcomes.wake_loop()

    def follow_watch(self) -> None:
        """A recorder that watches threads is on, or is no more."""
        if self.watched is not None:
            self.watched.close()
        self.followed = hook.changes
        opened = hook.open_thread
        self.watched = opened and opened(self.name)

    def statistics(self) -> WorkerStatistics:
        call = self.call
        return WorkerStatistics(
            name=self.name,
            calls=self.calls,
            busy_s=self.busy_ns / 1e9,
            running=None if call is None else name_of(call.function),
        )


class _Unseen(ThreadPool):
    """Threads for the package's own work, which is none of the program's."""

    def _follow_recorder(self) -> None:
        pass


_own = OwnPools(lambda: ThreadPool(name="fournil.to_thread"))
_unseen = OwnPools(lambda: _Unseen(name="fournil memory"))


def run_unseen(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
    """Have a thread call a function of this package; as `to_thread`, but that no report says it."""
    return _unseen.run(function, args, kwargs)


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
    return _own.run(function, args, kwargs)
