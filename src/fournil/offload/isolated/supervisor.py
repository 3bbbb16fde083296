"""Pools that start workers as they need them, and replace those that end.

Nobody tells that a process was stopped, or that code of the program closed a descriptor: while
calls are in flight a pool looks, again and again. Who has it look:

| who | from | until |
| --- | --- | --- |
| nobody | a look finds no call, and none that came since the last | a call or a worker comes |
| a timer of the loop | a call or a worker comes; the pool is told to end | it looks |
| the watchdog's thread | a look finds that calls come fast | no call comes; a worker does |

A look that finds calls has the next one come: `_check_later` or the watchdog, never neither.
"""

from __future__ import annotations

import abc
import asyncio
import math
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from fournil.errors import PoolError
from fournil.offload.arguments import number_of_seconds
from fournil.offload.call import Call
from fournil.offload.isolated import watchdog
from fournil.offload.isolated.deaths import death_of
from fournil.offload.isolated.dispatch import Dispatch
from fournil.offload.isolated.watchdog import TICK_S, Registration
from fournil.offload.pool import Pool
from fournil.offload.statistics import WorkerStatistics

if TYPE_CHECKING:
    from fournil.offload.isolated.worker import IsolatedWorker

FAILED_STARTS = 3
"""After so many workers in a row that died before they were ready, calls wait for no other."""

RETRY_S = 0.1
"""When a worker could not be started beside others, it is tried again so much later."""

SOON_S, SELDOM_S = 0.01, 1.0
"""It is seen to what nobody tells so soon after a call was queued, and then less and less often, as
long as that call waits."""

MANY = 16
"""Where more calls end between two looks the watchdog keeps the time: a timer that is pending costs
each turn of the loop a microsecond, in the kernel."""


class Starter(Protocol):
    """Starts workers. It tells the pool if that is impossible, or when it has ended itself."""

    def request(self, worker: IsolatedWorker) -> None:
        """Start a worker, and tell it when it has what is its own; raise OSError if that fails."""

    def is_there(self) -> bool:
        """Return whether workers can be started: nobody has closed what is needed for it."""

    def check(self) -> None:
        """See whether workers can be started; called again and again while some are."""

    def close(self) -> None:
        """End, and let no worker live on that can be ended."""

    def leave(self) -> None:
        """Let go of what a forked child has of this."""


class SupervisingPool(Pool):
    """A pool whose workers are started, end by themselves or are killed, and are replaced.

    A worker that cannot be started is one less: the calls are run by those that there are, and it
    is tried again a little later. Where there is no other, calls that wait raise PoolError with the
    reason, and the next call has it tried again.

    A kind of pool provides `_make_starter` and `_make_worker`; `_first`, what a worker is told
    first; and `_pump`, which sends calls from the queue.

    Args:
        workers: how many workers there are at most.
        dispatch: which call goes to which of them.
        idle_timeout: after how many seconds with nothing to do one ends; None: never.
    """

    _first: tuple[bytes, list[memoryview]]

    def __init__(
        self, workers: int, dispatch: Dispatch[Call[Any]], idle_timeout: float | None
    ) -> None:
        super().__init__(workers)
        if idle_timeout is not None:
            number_of_seconds("idle_timeout", idle_timeout)
        self.idle_timeout = idle_timeout
        # All of it is the loop's thread's alone.
        self._dispatch = dispatch
        self._live: dict[int, IsolatedWorker] = {}  # by number, until they have ended
        self._starter: Starter | None = None
        self._started = 0  # workers, ever
        self._cpu_of_ended_ns = 0  # workers
        self._failed_starts = 0
        self._broken: Callable[[], BaseException] | None = None
        self._shrinks: asyncio.TimerHandle | None = None
        self._retries: asyncio.TimerHandle | None = None  # until then no worker is started
        # Whether `_check` will be called: by the one or by the other of these.
        self._is_checked = False
        self._check_timer: asyncio.TimerHandle | None = None
        self._check_s = 0.0  # after so long
        self._watchdog: Registration | None = None
        self._checked_ns = 0  # when it was called last
        self._checked_ended = 0  # how many calls had ended by then
        self._stopped = False
        self._gone: asyncio.Future[None] | None = None

    # As a kind of pool.

    def _stop(self) -> None:
        self._stopped = True
        assert self._loop is not None
        if self._loop.is_closed():
            self._terminate()
            return
        for worker in list(self._live.values()):
            worker.finish()
            if worker.pid is None and worker.slot.is_idle:
                # Nothing is to be waited for; to start may take long, as where much is imported.
                self._take_away(worker.number, None)
        self._end_if_all_ended()
        if self._live:
            self._check_later(SOON_S)

    def __del__(self) -> None:
        super().__del__()
        # After a `close` that was cancelled as well.
        if getattr(self, "_loop", None) is not None and self._process == os.getpid():
            self._terminate()

    def _terminate(self) -> None:
        """End all that is left, in any thread: without the starter workers end at once."""
        loop = self._loop
        assert loop is not None
        left: list[IsolatedWorker | Starter] = [*self._live.values()]
        if self._starter is not None:
            left.append(self._starter)
        self._live.clear()
        self._starter = None
        self._cancel_timers()
        if left and threading.get_ident() != self._thread and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(_close_all, left)
                return
            except RuntimeError:
                pass  # closed meanwhile
        _close_all(left)

    async def _join(self) -> None:
        if self._starter is not None or self._live:
            if self._gone is None:
                assert self._loop is not None
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)  # several may wait

    def _leave(self) -> None:
        # What is to be called soon is called in the child too, if the loop goes on there.
        self._stopped = True
        self._dispatch.queue.clear()
        self._cancel_timers()
        for worker in self._live.values():
            worker.leave()
        self._live.clear()
        if self._starter is not None:
            self._starter.leave()
            self._starter = None

    def _workers(self) -> tuple[WorkerStatistics, ...]:
        return tuple(worker.statistics() for worker in self._live.values())

    def _cpu_ns(self) -> int:
        return self._cpu_of_ended_ns + sum(worker.cpu_ns for worker in self._live.values())

    # What a kind of pool provides.

    @abc.abstractmethod
    def _make_starter(self) -> Starter:
        """Return what starts workers; raise OSError if it cannot be had."""

    @abc.abstractmethod
    def _make_worker(self, number: int) -> IsolatedWorker:
        """Return a worker that is about to be started; raise OSError if there is no room for it."""

    @abc.abstractmethod
    def _pump(self) -> None:
        """Send calls to workers, as many as they are to have."""

    # Workers.

    def _have_starter(self) -> Starter:
        if self._starter is not None and not self._starter.is_there():
            self._starter.close()
            self.starter_ended(self._starter)
        if self._starter is None:
            try:
                self._starter = self._make_starter()
            except (OSError, MemoryError) as error:
                raise self._no_worker(error) from error
        return self._starter

    def _no_worker(self, why: BaseException) -> PoolError:
        reason = str(why) or type(why).__name__
        return PoolError(f"no worker could be started for {self!r}: {reason}")

    def _start_worker(self) -> None:
        """Start a worker; raise PoolError if there is no room for it."""
        starter = self._have_starter()
        number = self._started + 1
        try:
            worker = self._make_worker(number)
            try:
                worker.send_start(*self._first)
                starter.request(worker)
            except BaseException:
                worker.close()
                raise
        except (OSError, MemoryError) as error:
            raise self._no_worker(error) from error
        self._started = number
        self._live[number] = worker
        self._check_later(SOON_S)

    def _grow(self) -> None:
        """Start one more worker; raise PoolError if there is no room for it, and no other."""
        if self._retries is not None and self._live:
            return
        try:
            self._start_worker()
        except PoolError:
            if not self._live:
                raise
            self._retry_later()

    def _retry_later(self) -> None:
        if self._retries is None and not self._stopped:
            self._retries = self._later(RETRY_S, self._retry)

    def _retry(self) -> None:
        self._retries = None
        self._replace()
        # The calls that it was wanted for may be with others by now, behind what runs there.
        if self._live and len(self._live) < min(self.workers, len(self._in_flight)):
            self._grow()

    def _replace(self) -> None:
        """Start workers for what waits, in place of those that ended."""
        while self._dispatch.queue and not self._stopped and self._broken is None:
            opened = sum(worker.slot.open for worker in self._live.values())
            if opened >= min(self.workers, len(self._dispatch.queue)):
                return
            before = self._started
            try:
                self._grow()
            except PoolError as error:
                self._refuse_all(partial(PoolError, str(error)))
            if self._started == before:
                return

    def _check_later(self, seconds: float) -> None:
        """Have `_check` called by a timer."""
        if self._check_timer is None:
            self._leave_watchdog()
            self._check_timer = self._later(seconds, self._check)
            self._check_s = seconds
            self._is_checked = True
            self._checked_ns = perf_counter_ns()
            self._checked_ended = self._ended_so_far()

    def _check(self) -> None:
        """See to what nobody tells: processes that were stopped, descriptors that others closed."""
        if self._check_timer is not None:
            self._check_timer.cancel()
            self._check_timer = None
        try:
            self._check_workers()
        except BaseException:
            # A signal's handler raised, in code of the program.
            self._check_later(SOON_S)
            raise
        self._check_again()

    def _check_again(self) -> None:
        """Have `_check` called again, if there is anything to see to."""
        if self._check_timer is not None:
            return  # a worker was replaced meanwhile
        now, ended = perf_counter_ns(), self._ended_so_far()
        before, self._checked_ns = self._checked_ns, now
        are_many = ended - self._checked_ended > MANY
        self._checked_ended = ended
        if self._stopped:
            if self._live:
                self._check_sooner(SELDOM_S)
            else:
                self._is_checked = False
        elif are_many:
            self._check_by_watchdog()
        elif self._in_flight:
            are_old = any(call.queued_ns < before for call in self._in_flight)
            self._check_sooner(SELDOM_S if are_old else TICK_S)
        else:
            self._leave_watchdog()
            self._is_checked = False

    def _check_workers(self) -> None:
        for worker in list(self._live.values()):
            worker.check()
        if self._starter is not None and any(worker.pid is None for worker in self._live.values()):
            self._starter.check()

    def _check_sooner(self, most: float) -> None:
        """Have `_check` called after twice as long as the last time, or as long as is said."""
        self._check_later(SOON_S if self._watchdog else min(2 * self._check_s, most))

    def _check_by_watchdog(self) -> None:
        if self._watchdog is None:
            assert self._loop is not None
            self._watchdog = watchdog.begin(self._loop, weakref.WeakMethod(self._check))
            if self._watchdog is None:
                self._check_later(TICK_S)

    def _leave_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.end()
            self._watchdog = None

    def _ended_so_far(self) -> int:
        return self._done + self._failed + self._refused + self._cancelled

    def _later(self, seconds: float, method: Callable[[], None]) -> asyncio.TimerHandle:
        """Have a method called later, if there is still somebody who holds this."""
        assert self._loop is not None
        return self._loop.call_later(seconds, _call, weakref.WeakMethod(method))

    def _cancel_timers(self) -> None:
        self._leave_watchdog()
        for timer in (self._shrinks, self._retries, self._check_timer):
            if timer is not None:
                timer.cancel()

    def _shrink_later(self, seconds: float) -> None:
        if self._shrinks is None:
            self._shrinks = self._later(seconds, self._shrink)

    def _shrink(self) -> None:
        """End the workers that had nothing to do for long enough."""
        self._shrinks = None
        assert self.idle_timeout is not None
        oldest = perf_counter_ns() - self.idle_timeout * 1e9
        wait = math.inf
        for worker in self._live.values():
            if worker.slot.is_idle and worker.slot.open:
                if worker.idle_since <= oldest:
                    worker.finish()
                else:
                    wait = min(wait, (worker.idle_since - oldest) / 1e9)
        if wait < math.inf:
            self._shrink_later(wait)

    # What a starter tells, in the loop's thread.

    def not_started(self, number: int, error: OSError) -> None:
        if number not in self._live:
            return
        self._take_away(number, None, self._no_worker(error))

    def ended(self, number: int, status: int | None) -> None:
        self._take_away(number, status)

    def starter_failed(self, text: str) -> None:
        self._break(partial(PoolError, f"what {self!r} preloads cannot be imported: {text}"))

    def starter_ended(self, starter: Starter) -> None:
        if self._starter is not starter:
            return
        self._starter = None
        # They end with it; those that it had not started are told as lost.
        for worker in list(self._live.values()):
            worker.end_with_starter()

    def _take_away(
        self, number: int, status: int | None, not_started: PoolError | None = None
    ) -> None:
        """Take a worker away that is dead, and see what becomes of its calls.

        Args:
            number: the worker's.
            status: as `os.wait` returns it; None: nobody knows.
            not_started: why it never began.
        """
        worker = self._live.pop(number, None)
        if worker is None:
            return
        try:
            worker.channel.drain()
        finally:
            # A signal's handler may raise, in code of the program.
            self._bury(worker, status, not_started)

    def _bury(
        self, worker: IsolatedWorker, status: int | None, not_started: PoolError | None
    ) -> None:
        death = self._dispatch.died(worker.slot, worker.began)
        for call in death.unwanted:
            self._drop(call)
        lost = death.unread if death.lost is None else [*death.unread, death.lost]
        for call in lost:
            call.worker = worker.name
            error = asyncio.CancelledError() if call.cancelling else death_of(worker, call, status)
            self._ended(call, None, error, perf_counter_ns())
        self._cpu_of_ended_ns += worker.cpu_ns
        worker.close()
        if not self._stopped:
            if not_started is not None:
                self._could_not_start(partial(PoolError, str(not_started)))
            elif not worker.ready:
                self._failed_starts += 1
                if self._failed_starts >= FAILED_STARTS:
                    self._could_not_start(partial(death_of, worker, None, status))
        self._go_on()
        self._end_if_all_ended()

    def _could_not_start(self, error: Callable[[], BaseException]) -> None:
        """Have calls wait for the workers that there are, or for none."""
        if self._live:
            self._retry_later()
        else:
            self._refuse_all(error)

    def _go_on(self) -> None:
        """See to what is in the queue again."""
        if self._broken is not None:
            self._refuse_all(self._broken)
        self._replace()
        self._pump()

    def _break(self, error: Callable[[], BaseException]) -> None:
        """Take no more calls, since no worker can be had; the first reason is the one that is told.

        Args:
            error: makes an exception; each call has its own, since who raises one adds to its
                traceback.
        """
        if self._broken is None:
            self._broken = error
        self._refuse_all(self._broken)

    def _refuse_all(self, error: Callable[[], BaseException]) -> None:
        while self._dispatch.queue:
            call = self._dispatch.queue.popleft()
            if call.cancelling:
                self._drop(call)
            elif not call.done():
                call.take()
                self._ended(call, None, error(), perf_counter_ns())

    def _end_if_all_ended(self) -> None:
        if not self._stopped or self._live:
            return
        if self._starter is not None:
            self._starter.close()
            self._starter = None
        self._cancel_timers()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)


def _call(held: weakref.WeakMethod[Callable[[], None]]) -> None:
    method = held()
    if method is not None:
        method()


def _close_all(left: list[IsolatedWorker | Starter]) -> None:
    for one in left:
        one.close()
