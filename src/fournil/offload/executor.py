"""A pool as an executor of `concurrent.futures`, for code that wants one."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from fournil.errors import PoolClosedError, PoolError
from fournil.offload.call import Call

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
R = TypeVar("R")


class Submit(Protocol):
    """What has a pool begin a call, in its loop's thread."""

    def __call__(
        self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any], /
    ) -> Call[R]: ...


class PoolExecutor(concurrent.futures.Executor):
    """Submits calls to a pool, from any thread, while the pool's loop runs.

    To cancel a future cancels its call as the pool does, also while it runs. To shut the executor
    down leaves the pool open.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        thread: int,
        submit: Submit,
        check: Callable[[], None],
        closed: Callable[[], PoolClosedError],
    ) -> None:
        """Make one for a pool that has begun to work.

        Args:
            loop, thread: where the pool works.
            submit: begins a call.
            check: raises if the pool is not this process's.
            closed: makes what is to be raised once the pool is closed.
        """
        self._loop = loop
        self._thread = thread
        self._call = submit
        self._check = check
        self._closed = closed
        self._lock = threading.Lock()
        # Under the lock.
        self._futures: set[concurrent.futures.Future[Any]] = set()
        self._unsent: set[concurrent.futures.Future[Any]] = set()  # of these, not yet the pool's
        self._shut = False
        self._refuses = False  # since the pool was closed

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[R]:
        """Have the pool call a function; return the future of its result.

        Raises:
            RuntimeError: the executor was shut down, or the pool's loop is closed.
            PoolClosedError: the pool is closed.
            PoolError: it belongs to the process that this one was forked from.
        """
        self._check()
        future: concurrent.futures.Future[R] = concurrent.futures.Future()
        with self._lock:
            if self._shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._refuses:
                raise self._closed()
            self._futures.add(future)
            self._unsent.add(future)
        if threading.get_ident() == self._thread:
            self._begin(future, fn, args, kwargs)
        else:
            try:
                self._loop.call_soon_threadsafe(self._begin, future, fn, args, kwargs)
            except RuntimeError:
                self._forget(future)
                raise
        return future

    def _begin(
        self,
        future: concurrent.futures.Future[R],
        function: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Submit the call of a future, in the loop's thread."""
        with self._lock:
            if future not in self._unsent:
                return  # refused
            self._unsent.remove(future)
        if future.cancelled():
            self._forget(future)
            future.set_running_or_notify_cancel()
            return
        try:
            call = self._call(function, args, kwargs)
        except Exception as error:
            self._forget(future)
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
            return

        def ended(call: Call[R]) -> None:
            self._forget(future)
            if call.cancelled():
                future.cancel()
                future.set_running_or_notify_cancel()
            elif (error := call.exception()) is not None:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            elif future.set_running_or_notify_cancel():
                future.set_result(call.result())

        def cancel(future: concurrent.futures.Future[R]) -> None:
            if future.cancelled() and not call.done():
                try:
                    self._loop.call_soon_threadsafe(call.cancel)
                except RuntimeError:
                    pass  # the loop is closed, and the call with it

        call.add_done_callback(ended)
        future.add_done_callback(cancel)

    def refuse(self) -> None:
        """Take no more calls, nor those on their way, for which the loop may have no turn left."""
        with self._lock:
            self._refuses = True
            refused = list(self._unsent)
            self._unsent.clear()
        for future in refused:
            self._forget(future)
            if future.set_running_or_notify_cancel():
                future.set_exception(self._closed())

    def leave(self) -> None:
        """Wait for nothing, in a forked child, where nothing of the parent's comes to an end."""
        self._lock = threading.Lock()
        self._futures.clear()
        self._unsent.clear()

    def _forget(self, future: concurrent.futures.Future[Any]) -> None:
        with self._lock:
            self._futures.discard(future)
            self._unsent.discard(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait until all are done.

        Raises:
            PoolError: it would have to wait in the loop's own thread, where nothing would end.
        """
        with self._lock:
            self._shut = True
            left = list(self._futures)
        if cancel_futures:
            for future in left:
                future.cancel()
        if wait and left:
            if threading.get_ident() == self._thread:
                raise PoolError(
                    f"shutdown() would wait for {len(left)} calls in the thread of the loop that"
                    " they need: await their futures (asyncio.wrap_future) before"
                )
            concurrent.futures.wait(left)

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=threading.get_ident() != self._thread)
