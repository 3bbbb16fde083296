"""What pools have in common whose workers share no objects with their program."""

from __future__ import annotations

import abc
import asyncio
import math
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from time import perf_counter_ns
from typing import Any, Protocol

from fournil._worker.handlers import pass_on
from fournil._worker.ledger import BEGAN, COUNTS, CPU, SETTLED_S, SLOTS
from fournil._worker.packing import pack
from fournil._worker.refusing import refusal
from fournil._worker.variables import values_of
from fournil.errors import PoolError
from fournil.offload.arguments import at_least_one, number_of_seconds
from fournil.offload.call import Call
from fournil.offload.deaths import death_of
from fournil.offload.dispatch import HEAVY, Desk, Dispatch
from fournil.offload.functions import Functions
from fournil.offload.pool import Pool
from fournil.offload.remote_worker import RemoteWorker
from fournil.offload.statistics import WorkerStatistics

FAILED_STARTS = 3
"""After so many workers in a row that died before they were ready, none is started any more."""


class Starter(Protocol):
    """Starts workers. It tells the pool how that went, and when one has ended."""

    def request(self, worker: RemoteWorker) -> None:
        """Start a worker; the descriptors that it talks through stay its channel's."""

    def close(self) -> None:
        """End, and let no worker live on that can be ended."""


class RemotePool(Pool):
    """A pool whose workers are reached through a channel each, by what is pickled.

    A kind of pool provides `_make_starter`, and `_make_worker` where its workers are not ended and
    interrupted as processes are.

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
        at_least_one("max_tasks_per_child", max_tasks_per_child)
        number_of_seconds("grace", grace)
        if idle_timeout is not None:
            number_of_seconds("idle_timeout", idle_timeout)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer is a function, got {initializer!r}")
        self.initializer = initializer
        self.initargs = tuple(initargs)
        self.context_vars = tuple(context_vars)
        self.idle_timeout = idle_timeout
        self.grace = grace
        self.name = name
        # All of it is the loop's thread's alone.
        self._dispatch: Dispatch[Call[Any]] = Dispatch(SLOTS, max_tasks_per_child)
        self._functions = Functions(partial(_forget, weakref.ref(self)))
        self._live: dict[int, RemoteWorker] = {}  # by number, until they have ended
        self._starter: Starter | None = None
        self._started = 0  # workers, ever
        self._cpu_of_ended_ns = 0  # workers
        self._failed_starts = 0
        self._broken: Callable[[], BaseException] | None = None
        self._pumps = False  # `_pump` is called soon
        self._looks = False  # `_look` is called in a millisecond
        self._shrinks: asyncio.TimerHandle | None = None
        self._stopped = False
        self._gone: asyncio.Future[None] | None = None

    # As a kind of pool.

    def _start(self) -> None:
        given = (self.initializer, self.initargs)
        try:
            self._first = pack(given) if self.initializer is not None else (b"", [])
        except BaseException as why:
            pass_on(why)
            raise refusal("the initializer", given, why) from why
        self._start_starter()

    def _submit(self, call: Call[Any]) -> None:
        if self._broken is not None:
            raise self._broken()
        if self.context_vars:
            call.values = values_of(self.context_vars)
        if len(self._in_flight) >= len(self._live) < self.workers:
            self._start_worker()
        if self._pumps:
            self._dispatch.queue.append(call)
            return
        desk = None if self._dispatch.queue else self._dispatch.idle_desk()
        if desk is not None:
            self._send(desk, call)
        else:
            self._dispatch.queue.append(call)
            self._pump_later()

    def _send(self, desk: Desk[Call[Any]], call: Call[Any]) -> None:
        """Send a worker with nothing to do a call, before any other comes."""
        worker = self._live[desk.number]
        records: list[bytes] = []
        try:
            worker.encode(call, records)
        finally:
            if records:
                worker.channel.write(records[0] if len(records) == 1 else b"".join(records))
        # Until the next time a function may find something else than it did.
        self._functions.end_turn()

    def _pump_later(self) -> None:
        if not self._pumps:
            self._pumps = True
            assert self._loop is not None
            self._loop.call_soon(self._pump_soon)

    def _pump_soon(self) -> None:
        self._pumps = False
        self._pump()

    def _cancel(self, call: Call[Any]) -> None:
        for worker in self._live.values():
            for number, sent in worker.desk.sent.items():
                if sent is call:
                    worker.stop_call(number)
                    self._look_soon()
                    return
        try:
            self._dispatch.queue.remove(call)
        except ValueError:
            return  # memory is being filled for it: then it is dropped
        self._drop(call)

    def _stop(self) -> None:
        self._stopped = True
        assert self._loop is not None
        if self._loop.is_closed():
            self._let_go()
            return
        for worker in list(self._live.values()):
            worker.let_end()
        self._end_if_all_ended()

    def __del__(self) -> None:
        super().__del__()
        # After a `close` that was cancelled as well.
        if getattr(self, "_loop", None) is not None and self._process == os.getpid():
            self._let_go()

    def _let_go(self) -> None:
        """End all that is left, in any thread: without the starter workers end at once."""
        loop = self._loop
        assert loop is not None
        left: list[RemoteWorker | Starter] = [*self._live.values()]
        if self._starter is not None:
            left.append(self._starter)
        self._live.clear()
        self._starter = None
        if self._shrinks is not None:
            self._shrinks.cancel()
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

    def _waiting(self) -> int:
        waiting = list(self._dispatch.queue)
        for worker in self._live.values():
            began = worker.words[BEGAN]
            waiting += [call for number, call in worker.desk.sent.items() if number > began]
        return sum(not call.done() and not call.cancelling for call in waiting)

    def _workers(self) -> tuple[WorkerStatistics, ...]:
        return tuple(worker.statistics() for worker in self._live.values())

    def _follow_recorder(self) -> None:
        super()._follow_recorder()
        for worker in self._live.values():
            worker.words[COUNTS] = self._record is not None

    def _cpu_ns(self) -> int:
        return self._cpu_of_ended_ns + sum(worker.words[CPU] for worker in self._live.values())

    # Workers.

    @abc.abstractmethod
    def _make_starter(self) -> Starter:
        """Return what starts workers; raise OSError if it cannot be had."""

    def _make_worker(self, number: int) -> RemoteWorker:
        """Return a worker that is about to be started; raise OSError if there is no room for it."""
        return RemoteWorker(self, number)

    def _setup(self) -> dict[str, Any]:
        """Return what all workers need to know of this process."""
        return {
            "path": sys.path,
            "argv": sys.argv,
            "name": self.name,
            "levels": _levels(),
            "most_memory": None,
        }

    def _start_starter(self) -> None:
        try:
            self._starter = self._make_starter()
        except OSError as error:
            raise PoolError(f"no worker could be started for {self!r}: {error}") from error

    def _start_worker(self) -> None:
        if self._starter is None:
            self._start_starter()
        assert self._starter is not None
        self._started += 1
        number = self._started
        try:
            worker = self._make_worker(number)
        except OSError as error:
            if not self._live:
                raise PoolError(f"no worker could be started for {self!r}: {error}") from error
            return
        self._live[number] = worker
        self._starter.request(worker)
        worker.channel.handed_over()
        worker.send_start(*self._first)

    def _replace(self) -> None:
        """Start workers for what waits, in place of those that ended."""
        while self._dispatch.queue and not self._stopped and self._broken is None:
            opened = sum(worker.desk.open for worker in self._live.values())
            if opened >= min(self.workers, len(self._dispatch.queue)):
                return
            before = self._started
            try:
                self._start_worker()
            except PoolError as error:
                text = str(error)
                self._break(partial(PoolError, text))
            if self._started == before:
                return

    # What a starter tells, in the loop's thread.

    def started(self, number: int, pid: int, handle: int) -> None:
        found = self._live.get(number)
        if found is None:
            os.close(handle)
        else:
            found.pid, found.handle = pid, handle

    def not_started(self, number: int, error: OSError) -> None:
        text = f"no worker could be started for {self!r}: {error.strerror or error}"
        if len(self._live) == 1:
            self._break(partial(PoolError, text))
        self._take_away(number, None)

    def ended(self, number: int, status: int) -> None:
        self._take_away(number, status)

    def starter_failed(self, text: str) -> None:
        self._break(partial(PoolError, f"what {self!r} preloads cannot be imported: {text}"))

    def starter_ended(self) -> None:
        self._starter = None
        if not self._live:
            self._failed_starts += 1
        for worker in list(self._live.values()):
            worker.kill()
            worker.watch()
        self._end_if_all_ended()

    def _take_away(self, number: int, status: int | None) -> None:
        """Take a worker away that is dead, and see what becomes of its calls."""
        worker = self._live.pop(number, None)
        if worker is None:
            return
        worker.channel.drain()
        death = self._dispatch.died(worker.desk, worker.words[BEGAN])
        for call in death.unwanted:
            self._drop(call)
        if death.lost is not None:
            call = death.lost
            call.worker = worker.name
            error = asyncio.CancelledError() if call.cancelling else death_of(worker, call, status)
            self._ended(call, None, error, perf_counter_ns())
        self._cpu_of_ended_ns += worker.words[CPU]
        worker.close()
        if not worker.ready and not self._stopped:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                self._break(partial(death_of, worker, None, status))
        self._go_on()
        self._end_if_all_ended()

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
        if self._shrinks is not None:
            self._shrinks.cancel()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    # Calls.

    def _pump(self) -> None:
        """Send calls to workers, as many as they are to have."""
        dispatch = self._dispatch
        queue = dispatch.queue
        while queue:
            desk = dispatch.next_desk()
            if desk is None:
                break
            worker = self._live[desk.number]
            share = -(-len(queue) // len(dispatch.desks))
            records: list[bytes] = []
            try:
                for _ in range(min(dispatch.room(desk), share)):
                    if desk.heavy >= HEAVY:
                        break
                    worker.encode(queue.popleft(), records)
            except BaseException:
                # A signal's handler raised, in code of the program: what is left is sent later.
                self._pump_later()
                raise
            finally:
                if records:
                    worker.channel.write(b"".join(records))
        # Until the next time a function may find something else than it did.
        self._functions.end_turn()
        if queue and len(self._live) < self.workers:
            self._replace()
        if any(len(desk.sent) > 1 for desk in dispatch.desks.values()):
            self._look_soon()

    def _answers_read(self, worker: RemoteWorker) -> None:
        desk = worker.desk
        if desk.is_idle:
            if not desk.open or self._stopped:
                worker.let_end()
            elif self.idle_timeout is not None:
                worker.idle_since = perf_counter_ns()
                self._shrink_later(self.idle_timeout)
        if self._dispatch.queue:
            self._pump()

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            assert self._loop is not None
            self._loop.call_later(SETTLED_S, _look, weakref.ref(self))

    def _look(self) -> None:
        """See what workers are at, and take back what is held up."""
        self._looks = False
        again = False
        for worker in list(self._live.values()):
            again |= worker.look()
        if self._dispatch.queue:
            self._pump()
        if again:
            self._look_soon()

    def _shrink_later(self, seconds: float) -> None:
        if self._shrinks is None:
            assert self._loop is not None
            self._shrinks = self._loop.call_later(seconds, _shrink, weakref.ref(self))

    def _shrink(self) -> None:
        """End the workers that had nothing to do for long enough."""
        self._shrinks = None
        assert self.idle_timeout is not None
        oldest = perf_counter_ns() - self.idle_timeout * 1e9
        wait = math.inf
        for worker in self._live.values():
            if worker.desk.is_idle and worker.desk.open:
                if worker.idle_since <= oldest:
                    worker.let_end()
                else:
                    wait = min(wait, (worker.idle_since - oldest) / 1e9)
        if wait < math.inf:
            self._shrink_later(wait)


def _look(held: weakref.ref[RemotePool]) -> None:
    pool = held()
    if pool is not None:
        pool._look()


def _forget(held: weakref.ref[RemotePool], number: int, soon: bool) -> None:
    pool = held()
    if pool is not None:
        for worker in pool._live.values():
            worker.forget(number, soon)


def _shrink(held: weakref.ref[RemotePool]) -> None:
    pool = held()
    if pool is not None:
        pool._shrink()


def _close_all(left: list[RemoteWorker | Starter]) -> None:
    for one in left:
        one.close()


def _levels() -> dict[str, int]:
    logging = sys.modules.get("logging")
    if logging is None:
        return {}
    from fournil._worker.logs import levels

    return levels()
