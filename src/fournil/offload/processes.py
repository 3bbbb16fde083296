"""Processes as workers."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from time import perf_counter_ns
from typing import Any, Literal, ParamSpec, TypeVar

from fournil._worker.ledger import BEGAN, COUNTS, CPU, SETTLED_S, SLOTS
from fournil._worker.packing import pack, refusal
from fournil._worker.variables import values_of
from fournil.errors import PoolError
from fournil.offload.call import Call
from fournil.offload.deaths import death_of
from fournil.offload.dispatch import HEAVY, Dispatch
from fournil.offload.functions import Functions
from fournil.offload.lifetime import OwnPools
from fournil.offload.pool import Pool, WorkerStatistics, whole
from fournil.offload.process import Process
from fournil.offload.template import Template

P = ParamSpec("P")
R = TypeVar("R")

FAILED_STARTS = 3
"""After so many workers in a row that died before they were ready, none is started any more."""

IDLE_S = 60.0
"""After so many seconds with nothing to do a process of `to_process` ends."""


class ProcessPool(Pool):
    """A pool of processes, for Python code and C code that keep the GIL.

    Functions, arguments and results are pickled; what pickle refuses (lambdas, closures, what a
    script or notebook defines) travels by cloudpickle. Big buffers, as of numpy's arrays, travel
    through shared memory; `fournil.share` places one there once for many calls. Arguments must not
    be changed while the call waits.

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
        super().__init__(len(os.sched_getaffinity(0)) if workers is None else workers)
        if start_method not in ("forkserver", "spawn"):
            raise ValueError(f"start_method is 'forkserver' or 'spawn', got {start_method!r}")
        for what, number in (
            ("max_tasks_per_child", max_tasks_per_child),
            ("max_memory_per_child", max_memory_per_child),
        ):
            if number is not None and whole(what, number) < 1:
                raise ValueError(f"{what} is at least one, or None, got {number}")
        for what, seconds in (("grace", grace), ("idle_timeout", idle_timeout)):
            if seconds is None and what == "idle_timeout":
                continue
            if not isinstance(seconds, int | float):
                raise TypeError(f"{what} is a number of seconds, got {seconds!r}")
            if not seconds >= 0:
                raise ValueError(f"{what} is a number of seconds, got {seconds}")
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer is a function, got {initializer!r}")
        if isinstance(preload, str):
            raise TypeError(f"preload is a list of names of modules, got the text {preload!r}")
        self.start_method = start_method
        self.preload = list(preload)
        self.initializer = initializer
        self.initargs = tuple(initargs)
        self.context_vars = tuple(context_vars)
        self.max_memory_per_child = max_memory_per_child
        self.idle_timeout = idle_timeout
        self.grace = grace
        self.name = name
        # All of it is the loop's thread's alone.
        self._dispatch: Dispatch[Call[Any]] = Dispatch(SLOTS, max_tasks_per_child)
        self._functions = Functions(partial(_forget, weakref.ref(self)))
        self._processes: dict[int, Process] = {}
        self._template: Template | None = None
        self._started = 0  # workers, ever
        self._cpu_of_ended_ns = 0  # workers
        self._failed_starts = 0
        self._broken: Callable[[], BaseException] | None = None
        self._pumps = False  # `_pump` is called soon
        self._looks = False  # `_look` is called in a millisecond
        self._shrinks: asyncio.TimerHandle | None = None
        self._stopped = False
        self._gone: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<ProcessPool of {self.workers} workers>"

    # As a kind of pool.

    def _start(self) -> None:
        given = (self.initializer, self.initargs)
        try:
            self._first = pack(given) if self.initializer is not None else (b"", [])
        except Exception as why:
            raise refusal("the initializer", given, why) from why
        self._start_template()

    def _submit(self, call: Call[Any]) -> None:
        if self._broken is not None:
            raise self._broken()
        if self.context_vars:
            call.values = values_of(self.context_vars)
        dispatch = self._dispatch
        dispatch.queue.append(call)
        if len(self._in_flight) >= len(self._processes) < self.workers:
            self._start_process()
        if self._pumps:
            return
        if len(dispatch.queue) == 1 and dispatch.has_idle():
            self._pump()
        else:
            assert self._loop is not None
            self._pumps = True
            self._loop.call_soon(self._pump_soon)

    def _pump_soon(self) -> None:
        self._pumps = False
        self._pump()

    def _cancel(self, call: Call[Any]) -> None:
        for process in self._processes.values():
            for number, sent in process.desk.sent.items():
                if sent is call:
                    process.stop_call(number)
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
        for process in list(self._processes.values()):
            process.let_end()
        self._end_if_all_ended()

    def __del__(self) -> None:
        super().__del__()
        # After a `close` that was cancelled as well.
        if getattr(self, "_loop", None) is not None and self._process == os.getpid():
            self._let_go()

    def _let_go(self) -> None:
        """End all that is left, in any thread: without the template workers end at once."""
        loop = self._loop
        assert loop is not None
        left: list[Process | Template] = [*self._processes.values()]
        if self._template is not None:
            left.append(self._template)
        self._processes.clear()
        self._template = None
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
        if self._template is not None or self._processes:
            if self._gone is None:
                assert self._loop is not None
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)  # several may wait

    def _waiting(self) -> int:
        waiting = list(self._dispatch.queue)
        for process in self._processes.values():
            began = process.words[BEGAN]
            waiting += [call for number, call in process.desk.sent.items() if number > began]
        return sum(not call.done() and not call.cancelling for call in waiting)

    def _workers(self) -> tuple[WorkerStatistics, ...]:
        return tuple(process.statistics() for process in self._processes.values())

    def _follow_recorder(self) -> None:
        super()._follow_recorder()
        for process in self._processes.values():
            process.words[COUNTS] = self._record is not None

    def _cpu_ns(self) -> int:
        return self._cpu_of_ended_ns + sum(
            process.words[CPU] for process in self._processes.values()
        )

    # Workers.

    def _start_template(self) -> None:
        assert self._loop is not None
        setup = {
            "path": sys.path,
            "argv": sys.argv,
            "name": self.name,
            "spawn": self.start_method == "spawn",
            "preload": self.preload,
            "levels": _levels(),
            "most_memory": self.max_memory_per_child,
        }
        try:
            self._template = Template(self._loop, self, setup)
        except OSError as error:
            raise PoolError(f"no process could be started for {self!r}: {error}") from error

    def _start_process(self) -> None:
        if self._template is None:
            self._start_template()
        assert self._template is not None
        self._started += 1
        number = self._started
        try:
            process = Process(self, number)
        except OSError as error:
            if not self._processes:
                raise PoolError(f"no process could be started for {self!r}: {error}") from error
            return
        self._processes[number] = process
        self._template.request(number, process.channel.their_descriptors())
        process.channel.handed_over()
        process.send_start(*self._first)

    def _replace(self) -> None:
        """Start workers for what waits, in place of those that ended."""
        while self._dispatch.queue and not self._stopped and self._broken is None:
            opened = sum(process.desk.open for process in self._processes.values())
            if opened >= min(self.workers, len(self._dispatch.queue)):
                return
            before = self._started
            try:
                self._start_process()
            except PoolError as error:
                text = str(error)
                self._break(partial(PoolError, text))
            if self._started == before:
                return

    # What a template tells.

    def started(self, number: int, process: int, handle: int) -> None:
        found = self._processes.get(number)
        if found is None:
            os.close(handle)
        else:
            found.pid, found.handle = process, handle

    def not_started(self, number: int, error: OSError) -> None:
        text = f"no process could be started for {self!r}: {error.strerror or error}"
        if len(self._processes) == 1:
            self._break(partial(PoolError, text))
        self._take_away(number, None)

    def ended(self, number: int, status: int) -> None:
        self._take_away(number, status)

    def template_failed(self, text: str) -> None:
        self._break(partial(PoolError, f"what {self!r} preloads cannot be imported: {text}"))

    def template_ended(self) -> None:
        self._template = None
        if not self._processes:
            self._failed_starts += 1
        for process in list(self._processes.values()):
            process.kill()
            process.watch()
        self._end_if_all_ended()

    def _take_away(self, number: int, status: int | None) -> None:
        """Take a worker away that is dead, and see what becomes of its calls."""
        process = self._processes.pop(number, None)
        if process is None:
            return
        process.channel.drain()
        death = self._dispatch.died(process.desk, process.words[BEGAN])
        for call in death.unwanted:
            self._drop(call)
        if death.lost is not None:
            call = death.lost
            call.worker = process.name
            error = asyncio.CancelledError() if call.cancelling else death_of(process, call, status)
            self._ended(call, None, error, perf_counter_ns())
        self._cpu_of_ended_ns += process.words[CPU]
        process.close()
        if not process.ready and not self._stopped:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                self._break(partial(death_of, process, None, status))
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
        if not self._stopped or self._processes:
            return
        if self._template is not None:
            self._template.close()
            self._template = None
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
            process = self._processes[desk.number]
            share = -(-len(queue) // len(dispatch.desks))
            records: list[bytes] = []
            for _ in range(min(dispatch.room(desk), share)):
                if desk.heavy >= HEAVY:
                    break
                process.encode(queue.popleft(), records)
            if records:
                process.channel.write(b"".join(records))
        # Until the next time a function may find something else than it did.
        self._functions.end_turn()
        if queue and len(self._processes) < self.workers:
            self._replace()
        if any(len(desk.sent) > 1 for desk in dispatch.desks.values()):
            self._look_soon()

    def _answers_read(self, process: Process) -> None:
        desk = process.desk
        if desk.is_idle:
            if not desk.open or self._stopped:
                process.let_end()
            elif self.idle_timeout is not None:
                process.idle_since = perf_counter_ns()
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
        for process in list(self._processes.values()):
            again |= process.look()
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
        for process in self._processes.values():
            if process.desk.is_idle and process.desk.open:
                if process.idle_since <= oldest:
                    process.let_end()
                else:
                    wait = min(wait, (process.idle_since - oldest) / 1e9)
        if wait < math.inf:
            self._shrink_later(wait)


def _look(held: weakref.ref[ProcessPool]) -> None:
    pool = held()
    if pool is not None:
        pool._look()


def _forget(held: weakref.ref[ProcessPool], number: int) -> None:
    pool = held()
    if pool is not None:
        for process in pool._processes.values():
            process.forget(number)


def _shrink(held: weakref.ref[ProcessPool]) -> None:
    pool = held()
    if pool is not None:
        pool._shrink()


def _close_all(left: list[Process | Template]) -> None:
    for one in left:
        one.close()


def _levels() -> dict[str, int]:
    logging = sys.modules.get("logging")
    if logging is None:
        return {}
    from fournil._worker.logs import levels

    return levels()


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
