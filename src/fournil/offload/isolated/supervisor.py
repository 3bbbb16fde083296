"""Supervision of workers: they are started as they are needed, and replaced when they end."""

from __future__ import annotations

import abc
import asyncio
import math
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from time import perf_counter_ns
from typing import Any, Protocol

from fournil._worker.control_block import WINDOW
from fournil.errors import PoolError
from fournil.offload.account import Account
from fournil.offload.call import Call
from fournil.offload.calls import Calls
from fournil.offload.isolated.checks import Checks
from fournil.offload.isolated.dispatch import Dispatch
from fournil.offload.isolated.functions import Functions
from fournil.offload.isolated.worker import IsolatedWorker, Owner
from fournil.offload.statistics import WorkerStatistics

FAILED_STARTS = 3
"""After so many workers in a row that died before they were ready, calls wait for no other."""

RETRY_S = 0.1
"""When a worker could not be started beside others, it is tried again so much later."""


class Starter(Protocol):
    """Starter of workers; it tells the pool if that is impossible, or when it has ended itself."""

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


MakeStarter = Callable[["Supervisor"], Starter]
MakeWorker = Callable[[Owner, int], IsolatedWorker]


@dataclass(frozen=True, slots=True)
class Options:
    """What a pool's user wants of its workers.

    Attributes:
        title: the pool, as messages name it.
        name: what the workers' names begin with.
        workers: how many there are at most.
        first: what a worker is told first, packed.
        context_vars: context variables whose values go with each call.
        most_calls: how many calls a worker runs before another takes its place; None: any number.
        idle_timeout: after how many seconds with nothing to do one ends; None: never.
        grace: how many seconds an interrupted call has before its worker is killed.
        make_starter: makes what starts workers; raises OSError if it cannot be had.
        make_worker: makes a worker that is about to be started; raises OSError if there is no room.
    """

    title: str
    name: str
    workers: int
    first: tuple[bytes, list[memoryview]]
    context_vars: tuple[ContextVar[Any], ...]
    most_calls: int | None
    idle_timeout: float | None
    grace: float
    make_starter: MakeStarter
    make_worker: MakeWorker


class Supervisor(abc.ABC):
    """Workers of one pool; its loop's thread's alone, but for `terminate`.

    A worker that cannot be started is one less: the calls are run by those that there are, and it
    is tried again a little later. Where there is no other, calls that wait raise PoolError with the
    reason, and the next call has it tried again.

    It is held by its pool, and by nothing that waits for an event: so a pool that is thrown away
    open ends.

    Args:
        loop: in which the pool works.
        calls: what is in flight.
        account: the pool's figures.
        options: what its user wants.
    """

    functions: Functions

    def __init__(
        self, loop: asyncio.AbstractEventLoop, calls: Calls, account: Account, options: Options
    ) -> None:
        self.loop = loop
        self.calls = calls
        self.account = account
        self.options = options
        self.name = options.name
        self.grace = options.grace
        self.dispatch: Dispatch[Call[Any]] = Dispatch(WINDOW, options.most_calls)
        self.live: dict[int, IsolatedWorker] = {}  # by number, until they have ended
        self.starter: Starter | None = None
        self.started = 0  # workers, ever
        self.stopped = False
        self.checks = Checks(loop, calls, account, weakref.WeakMethod(self._check))
        self._thread = threading.get_ident()
        self._cpu_of_ended_ns = 0  # workers
        self._failed_starts = 0
        self.broken: Callable[[], BaseException] | None = None
        self._shrinks: asyncio.TimerHandle | None = None
        self._retries: asyncio.TimerHandle | None = None  # until then no worker is started
        self._gone: asyncio.Future[None] | None = None

    # For the pool.

    def stop(self) -> None:
        """Have all workers end when they have ended their calls."""
        self.stopped = self.checks.ending = True
        if self.loop.is_closed():
            self.terminate()
            return
        for worker in list(self.live.values()):
            worker.finish()
            if worker.pid is None and worker.slot.is_idle:
                # Nothing is to be waited for; to start may take long, as where much is imported.
                self._take_away(worker.number, None)
        self._end_if_all_ended()
        if self.live:
            self.checks.begin()

    def terminate(self) -> None:
        """End all that is left, in any thread: without the starter workers end at once."""
        loop = self.loop
        left: list[IsolatedWorker | Starter] = [*self.live.values()]
        if self.starter is not None:
            left.append(self.starter)
        self.live.clear()
        self.starter = None
        self._cancel_timers()
        if left and threading.get_ident() != self._thread and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(_close_all, left)
                return
            except RuntimeError:
                pass  # closed meanwhile
        _close_all(left)

    async def until_gone(self) -> None:
        """Wait until all workers have ended, after `stop`."""
        if self.starter is not None or self.live:
            if self._gone is None:
                self._gone = self.loop.create_future()
            await asyncio.shield(self._gone)  # several may wait

    def leave(self) -> None:
        """Let go, in a forked child, of what is the parent's."""
        # What is to be called soon is called in the child too, if the loop goes on there.
        self.stopped = True
        self.dispatch.queue.clear()
        self._cancel_timers()
        for worker in self.live.values():
            worker.leave()
        self.live.clear()
        if self.starter is not None:
            self.starter.leave()
            self.starter = None

    def statistics(self) -> tuple[WorkerStatistics, ...]:
        return tuple(worker.statistics() for worker in self.live.values())

    def cpu_ns(self) -> int:
        """Return how long workers used the CPU for calls, those that have ended too."""
        return self._cpu_of_ended_ns + sum(worker.cpu_ns for worker in self.live.values())

    @abc.abstractmethod
    def pump(self) -> None:
        """Send calls to workers, as many as they are to have."""

    @abc.abstractmethod
    def answers_read(self, worker: IsolatedWorker) -> None:
        """Send a worker more, or have it end: it has answered calls."""

    @abc.abstractmethod
    def look_soon(self) -> None:
        """Look at workers in a millisecond."""

    # Workers.

    def have_starter(self) -> Starter:
        if self.starter is not None and not self.starter.is_there():
            self.starter.close()
            self.starter_ended(self.starter)
        if self.starter is None:
            try:
                self.starter = self.options.make_starter(self)
            except (OSError, MemoryError) as error:
                raise self._no_worker(error) from error
        return self.starter

    def _no_worker(self, why: BaseException) -> PoolError:
        reason = str(why) or type(why).__name__
        return PoolError(f"no worker could be started for {self.options.title}: {reason}")

    def _start_worker(self) -> None:
        """Start a worker; raise PoolError if there is no room for it."""
        starter = self.have_starter()
        number = self.started + 1
        try:
            worker = self.options.make_worker(self, number)
            try:
                worker.send_start(*self.options.first)
                starter.request(worker)
            except BaseException:
                worker.close()
                raise
        except (OSError, MemoryError) as error:
            raise self._no_worker(error) from error
        self.started = number
        self.live[number] = worker
        self.checks.begin()

    def grow(self) -> None:
        """Start one more worker; raise PoolError if there is no room for it, and no other."""
        if self._retries is not None and self.live:
            return
        try:
            self._start_worker()
        except PoolError:
            if not self.live:
                raise
            self._retry_later()

    def _retry_later(self) -> None:
        if self._retries is None and not self.stopped:
            self._retries = self.later(RETRY_S, self._retry)

    def _retry(self) -> None:
        self._retries = None
        self.replace()
        # The calls that it was wanted for may be with others by now, behind what runs there.
        if self.live and len(self.live) < min(self.options.workers, len(self.calls.in_flight)):
            self.grow()

    def replace(self) -> None:
        """Start workers for what waits, in place of those that ended."""
        while self.dispatch.queue and not self.stopped and self.broken is None:
            opened = sum(worker.slot.open for worker in self.live.values())
            if opened >= min(self.options.workers, len(self.dispatch.queue)):
                return
            before = self.started
            try:
                self.grow()
            except PoolError as error:
                self._refuse_all(partial(PoolError, str(error)))
            if self.started == before:
                return

    def _check(self) -> bool:
        """Check for what nobody tells: processes that were stopped, descriptors that others closed.

        Returns:
            whether workers are left.
        """
        for worker in list(self.live.values()):
            worker.check()
        if self.starter is not None and any(worker.pid is None for worker in self.live.values()):
            self.starter.check()
        return bool(self.live)

    def later(self, seconds: float, method: Callable[[], None]) -> asyncio.TimerHandle:
        """Have a method called later, if there is still somebody who holds this."""
        return self.loop.call_later(seconds, _call, weakref.WeakMethod(method))

    def _cancel_timers(self) -> None:
        self.checks.end()
        for timer in (self._shrinks, self._retries):
            if timer is not None:
                timer.cancel()

    def shrink_later(self, seconds: float) -> None:
        if self._shrinks is None:
            self._shrinks = self.later(seconds, self._shrink)

    def _shrink(self) -> None:
        """End the workers that had nothing to do for long enough."""
        self._shrinks = None
        assert self.options.idle_timeout is not None
        oldest = perf_counter_ns() - self.options.idle_timeout * 1e9
        wait = math.inf
        for worker in self.live.values():
            if worker.slot.is_idle and worker.slot.open:
                if worker.idle_since <= oldest:
                    worker.finish()
                else:
                    wait = min(wait, (worker.idle_since - oldest) / 1e9)
        if wait < math.inf:
            self.shrink_later(wait)

    # What starters and workers tell.

    def is_ready(self) -> None:
        """Note that a worker is ready for calls."""
        self._failed_starts = 0

    def not_started(self, number: int, error: OSError) -> None:
        if number not in self.live:
            return
        self._take_away(number, None, self._no_worker(error))

    def ended(self, number: int, status: int | None) -> None:
        self._take_away(number, status)

    def starter_failed(self, text: str) -> None:
        title = self.options.title
        self.break_down(partial(PoolError, f"what {title} preloads cannot be imported: {text}"))

    def starter_ended(self, starter: Starter) -> None:
        if self.starter is not starter:
            return
        self.starter = None
        # They end with it; those that it had not started are told as lost.
        for worker in list(self.live.values()):
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
        worker = self.live.pop(number, None)
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
        death = self.dispatch.died(worker.slot, worker.began)
        for call in death.unwanted:
            self.calls.drop(call)
        lost = death.unread if death.lost is None else [*death.unread, death.lost]
        for call in lost:
            call.worker = worker.name
            error = asyncio.CancelledError() if call.cancelling else worker.death(call, status)
            self.calls.ended(call, None, error, perf_counter_ns())
        self._cpu_of_ended_ns += worker.cpu_ns
        worker.close()
        if not self.stopped:
            if not_started is not None:
                self._could_not_start(partial(PoolError, str(not_started)))
            elif not worker.ready:
                self._failed_starts += 1
                if self._failed_starts >= FAILED_STARTS:
                    self._could_not_start(partial(worker.death, None, status))
        self.go_on()
        self._end_if_all_ended()

    def _could_not_start(self, error: Callable[[], BaseException]) -> None:
        """Have calls wait for the workers that there are, or for none."""
        if self.live:
            self._retry_later()
        else:
            self._refuse_all(error)

    def go_on(self) -> None:
        """Send what is in the queue, to new workers too, or refuse it."""
        if self.broken is not None:
            self._refuse_all(self.broken)
        self.replace()
        self.pump()

    def break_down(self, error: Callable[[], BaseException]) -> None:
        """Take no more calls, since no worker can be had; the first reason is the one that is told.

        Args:
            error: makes an exception; each call has its own, since who raises one adds to its
                traceback.
        """
        if self.broken is None:
            self.broken = error
        self._refuse_all(self.broken)

    def _refuse_all(self, error: Callable[[], BaseException]) -> None:
        while self.dispatch.queue:
            call = self.dispatch.queue.popleft()
            if call.cancelling:
                self.calls.drop(call)
            elif not call.done():
                call.take()
                self.calls.ended(call, None, error(), perf_counter_ns())

    def _end_if_all_ended(self) -> None:
        if not self.stopped or self.live:
            return
        if self.starter is not None:
            self.starter.close()
            self.starter = None
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
