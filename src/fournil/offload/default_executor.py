"""The default executor of Fournil's loop: `asyncio.to_thread`, `run_in_executor(None, ...)`.

The executor is a `ThreadPoolExecutor`, as code expects that looks for one, with the size, the
threads' names and the end of asyncio's. Its queue and the way back are those of `ThreadPool`, so
that a call of its loop takes no future of `concurrent.futures`, and many calls that end wake the
loop once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread
import os
import queue
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns, thread_time_ns
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fournil._worker.running import runs
from fournil.offload.calling import CallQueue, Outcomes, Waiter, Wakes, traceback_of
from fournil.offload.loop_call import CANCELLED, LoopCall, as_asyncio_has_it
from fournil.offload.wakers import threads_are_replaced
from fournil.record import hook

if TYPE_CHECKING:
    # It is generic for type checkers alone.
    Future = asyncio.Future[Any]

NAME = "asyncio"
"""The name of the pool in reports, and what its threads' names begin with, as asyncio has it."""

RETRY_NS = 100_000_000
"""When a thread could not be started beside others, it is tried again so much later."""

# Its private names, which type stubs leave out: the interpreter's exit waits for threads by them.
_theirs: Any = concurrent.futures.thread


class WorkQueue(CallQueue[Any]):
    """A queue of calls, for what `ThreadPoolExecutor` does with its own; None: threads may end.

    Attributes:
        idle: an entry for each thread that is free, or about to be; workers append one when they
            have run a call, before whoever waits for that goes on. Whoever submits a call takes
            one, and starts a thread where there is none to take.
        owed: an entry for each call for which no thread could be started, so that it runs in one
            of those that there are; whoever submits appends it, the worker that ends a call next
            takes it, and appends none to `idle`.
    """

    def __init__(self, workers: int) -> None:
        super().__init__()
        self.idle: deque[None] = deque(maxlen=workers)
        self.owed: deque[None] = deque()

    def add_idle(self) -> None:
        """Note that a thread is free for another call; for that thread."""
        if self.owed:
            try:
                self.owed.pop()
            except IndexError:
                pass
            else:
                return
        self.idle.append(None)

    def take_idle(self) -> bool:
        """Return whether a thread is free for a call; for any thread that submits one."""
        if not self.idle:
            return False
        try:
            self.idle.pop()
        except IndexError:
            return False
        return True

    def forget(self, call: Any) -> bool:
        """Remove a call that was appended; return False if a worker has taken it."""
        try:
            self.calls.remove(call)
        except ValueError:
            return False
        return True

    def leave(self) -> None:
        super().leave()
        self.idle.clear()
        self.owed.clear()

    def get_nowait(self) -> Any:
        """Take the oldest call; raise `queue.Empty` if there is none."""
        try:
            return self.calls.popleft()
        except IndexError:
            raise queue.Empty from None

    def qsize(self) -> int:
        """Return how many calls wait, as programs ask that watch an executor."""
        return len(self.calls)


class ExecutorThread(Waiter):
    """A thread of the executor; its own, but for `call`, which the function reads that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.call: LoopCall | None = None

    def work(
        self,
        executor: weakref.ref[DefaultExecutor],
        queue: WorkQueue,
        context: tuple[Any, ...],
    ) -> None:
        """Run calls until the executor or the interpreter ends.

        Args:
            executor: as long as it is there.
            queue: where the calls are.
            context: what CPython's items of work are run with.
        """
        here = threading.get_ident()
        runs[here] = self
        calls = queue.calls
        try:
            while True:
                try:
                    call = calls.popleft()
                except IndexError:
                    self.wait(queue)
                    continue
                if type(call) is LoopCall:
                    self.run(call, queue)
                elif call is not None:
                    call.run(*context)
                    queue.add_idle()
                elif is_over(executor()):
                    queue.put(None)  # for the others
                    return
                # A thread that waits must not keep what its last call was given.
                del call
        except BaseException:
            _theirs._base.LOGGER.critical("Exception in worker", exc_info=True)
        finally:
            del runs[here]

    def run(self, call: LoopCall, queue: WorkQueue) -> None:
        value = error = None
        recorded = call.record is not None
        cpu_ns = 0
        if not call.awaited.cancelled():
            self.call = call
            if recorded:
                call.worker = threading.current_thread().name
                cpu_ns = thread_time_ns()
                call.began_ns = perf_counter_ns()
            try:
                value = call.function(*call.args)
            except BaseException as raised:
                # Without this frame, which says nothing to a reader.
                traceback = traceback_of.__get__(raised)
                traceback_of.__set__(raised, traceback and traceback.tb_next)
                error = raised
                del traceback
            if recorded:
                call.ended_ns = perf_counter_ns()
                call.cpu_ns = thread_time_ns() - cpu_ns
            self.call = None
        queue.add_idle()
        outcomes = call.outcomes
        outcomes.ended.append((call, value, error))
        # The frames that the error keeps lead back to this one.
        del call, value, error
        if not outcomes.woken:
            outcomes.wake_loop()


def is_over(executor: DefaultExecutor | None) -> bool:
    """Return whether a thread of an executor is to end, and say so to those who submit."""
    if executor is None:
        return True
    if _theirs._shutdown:
        executor._shutdown = True
    return executor._shutdown


def unless_replaced(method: Any) -> Any:
    """Return a method of CPython's executor; None if it is another's."""
    is_theirs = type(method) is FunctionType and method.__globals__ is vars(_theirs)
    return method if is_theirs else None


_submit = unless_replaced(concurrent.futures.ThreadPoolExecutor.submit)


class DefaultExecutor(concurrent.futures.ThreadPoolExecutor):
    """A `ThreadPoolExecutor` that takes calls of its loop by a shorter way.

    Whatever is submitted to it as to any executor goes CPython's way, but for the queue, and the
    threads, which are started when none is idle, and run until the executor is shut down, or
    the interpreter exits and waits for them.

    Args:
        loop: the loop, in whose thread `call` is called.
    """

    _work_queue: WorkQueue  # type: ignore[assignment]
    _threads: set[threading.Thread]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(thread_name_prefix=NAME)
        self.loop = loop
        self._work_queue = WorkQueue(self._max_workers)
        new_context = getattr(self, "_create_worker_context", None)  # since CPython 3.14
        self._worker_arguments = () if new_context is None else (new_context(),)
        self._retry_ns = 0  # until then no thread is started, if there are others
        # Of the loop's thread alone.
        self._wakes = Wakes(self._work_queue, self._max_workers)
        self._outcomes: Outcomes[LoopCall] = Outcomes(loop, self._collect)
        self._record: hook.PoolRecord | None = None
        self._followed = 0  # `hook.changes` when that was begun, or was not
        self._received_ns = 0  # when the outcomes came that are being handed on
        _executors.add(self)

    @property
    def takes_calls(self) -> bool:
        """Whether `submit` is CPython's: what takes its place is to see all calls."""
        return type(self).submit is _submit and "submit" not in vars(self)

    def call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Future:
        """Have a thread call a function; in the loop's thread.

        Returns:
            a future of the loop. Cancelled, it lets go at once whoever awaits it; a call that has
            not begun then never runs.

        Raises:
            RuntimeError: the executor was shut down, or there is no thread, nor can one be started.
        """
        if hook.changes != self._followed:
            self._follow_recorder()
        awaited: Future = self.loop.create_future()
        call = LoopCall(awaited, function, args, self._outcomes, self._record)
        work = self._work_queue
        work.calls.append(call)
        # Only now: threads end when they find the None that is appended once one of these is set.
        if self._shutdown or _theirs._shutdown:
            self._check_open(call)
        elif not work.take_idle() and len(self._threads) < self._max_workers:
            try:
                with self._shutdown_lock, _theirs._global_shutdown_lock:
                    self._check_open(call)  # since the look above
                    self._start_thread()
            except BaseException:
                work.forget(call)
                raise
        self._wakes.wake()
        return awaited

    def _check_open(self, call: LoopCall) -> None:
        """Raise what `submit` raises after a shutdown, unless a thread has taken the call."""
        if (self._shutdown or _theirs._shutdown) and self._work_queue.forget(call):
            by = "" if self._shutdown else "interpreter "
            raise RuntimeError(f"cannot schedule new futures after {by}shutdown")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; end the threads when they have run what was submitted."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if self._record is not None and self.loop.is_closed():
            self._record.close()
            self._record = None

    def _adjust_thread_count(self) -> None:
        # CPython's name; called by `submit`, with the locks held.
        if not self._work_queue.take_idle():
            self._start_thread()

    def _start_thread(self) -> None:
        """Start a thread if there may be one more; with the locks held.

        Raises:
            RuntimeError: there is no other, and none can be started.
        """
        work = self._work_queue
        count = len(self._threads)
        if count >= self._max_workers:
            return
        if count and perf_counter_ns() < self._retry_ns:
            work.owed.append(None)
            return

        def collected(_: object, put: Callable[[Any], None] = work.put) -> None:
            put(None)

        thread = threading.Thread(
            name=f"{self._thread_name_prefix}_{count}",
            target=ExecutorThread().work,
            args=(weakref.ref(self, collected), work, self._worker_arguments),
        )
        # Before it starts: a signal's handler may raise while this waits until it has, and the
        # interpreter's exit would wait for a thread that nobody tells to end.
        self._threads.add(thread)
        _theirs._threads_queues[thread] = work
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            self._threads.discard(thread)
            del _theirs._threads_queues[thread]
            if not count:
                raise
            work.owed.append(None)
            self._retry_ns = perf_counter_ns() + RETRY_NS

    def _collect(self) -> None:
        """Hand on the outcomes that have come, in the loop's thread."""
        self._wakes.renew()
        if self._record is not None:
            self._received_ns = perf_counter_ns()
        if self._shutdown:
            # Nothing is left when `shutdown_default_executor` returns.
            self._outcomes.hand_on(self._take, most=sys.maxsize)
        else:
            self._outcomes.hand_on(self._take)

    def _take(self, call: LoopCall, value: Any, error: BaseException | None) -> None:
        record = call.record
        # Not where the recorder has ended that was on when the call was made.
        if record is not None and record is self._record and hook.changes == self._followed:
            call.note(error, self._received_ns)
        awaited = call.awaited
        if awaited.done():
            return
        if error is None:
            awaited.set_result(value)
        elif error is CANCELLED:
            awaited.cancel()
        else:
            awaited.set_exception(as_asyncio_has_it(error))

    def _follow_recorder(self) -> None:
        """A recording began or ended: begin to be recorded, or be so no more."""
        self._followed = hook.changes
        opened = hook.open_pool
        self._record = opened and opened("ThreadPoolExecutor", NAME, self._max_workers)

    def _leave(self) -> None:
        """Begin anew, in a forked child: threads and calls stayed with its parent."""
        self._shutdown_lock = threading.Lock()  # a thread that is not here may have had it
        self._threads.clear()
        self._work_queue.leave()
        self._wakes = Wakes(self._work_queue, self._max_workers)
        self._outcomes = Outcomes(self.loop, self._collect)
        self._record = None


def new_default_executor(loop: asyncio.AbstractEventLoop) -> DefaultExecutor | None:
    """Return a default executor for a loop.

    None where the program has put something else in the place of `ThreadPoolExecutor`, or of
    threads, as gevent does: asyncio's way then leads to that.
    """
    if (
        concurrent.futures.ThreadPoolExecutor is not DefaultExecutor.__base__
        or threads_are_replaced()
    ):
        return None
    return DefaultExecutor(loop)


_executors: weakref.WeakSet[DefaultExecutor] = weakref.WeakSet()


def _forked() -> None:
    for executor in list(_executors):
        executor._leave()


os.register_at_fork(after_in_child=_forked)
