"""One function call on its way to a worker and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from time import perf_counter_ns
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from contextvars import Context

    from fournil.offload.pool import Pool

R = TypeVar("R")


class Call(asyncio.Future[R], Coroutine[Any, Any, R]):
    """A call: a future of its result, and, for `create_task` and task groups, a coroutine too.

    All of it belongs to the thread of the loop, but for two things: a worker takes the call by
    its `ticket`, and then writes when it began and ended, before it hands the outcome back.

    Attributes:
        pool: where it runs.
        function, args, kwargs: what is called.
        context: what it runs in, where a pool carries context variables.
        queued_ns, began_ns, ended_ns, received_ns: its timeline, on the clock of
            `time.perf_counter_ns`; 0 where it has not come so far.
    """

    __slots__ = (
        "abandoned",  # nobody waits for it any more, and it runs
        "args",
        "awaiting",  # what `send` goes on with
        "began_ns",
        "cancelling",  # somebody wants it cancelled, and it runs
        "context",
        "ended_ns",
        "function",
        "kwargs",
        "message",  # of the cancellation
        "pool",
        "queued_ns",
        "received_ns",
        # A list of one item; whoever pops it, the worker to run the call or the loop to drop
        # it, decides what becomes of the call.
        "ticket",
    )

    def __init__(
        self,
        pool: Pool,
        function: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(loop=loop)
        self.pool = pool
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.ticket = [True]
        self.cancelling = False
        self.abandoned = False
        self.message: object = None
        self.awaiting: Generator[Any, None, R] | None = None
        self.context: Context | None = None
        self.queued_ns = perf_counter_ns()
        self.began_ns = self.ended_ns = self.received_ns = 0

    def cancel(self, msg: object = None) -> bool:
        """Drop the call if it has not begun; else ask its pool what can be done.

        Returns:
            False if the call is done.
        """
        if self.done():
            return False
        if self.take():
            self.pool._dropped(self)
            self.abandon(msg)
        elif not self.cancelling:
            # Whoever awaits this goes on when the call has ended: see `settle`.
            self.cancelling = True
            self.message = msg
            self.pool._cancel(self)
        return True

    def abandon(self, msg: object = None) -> None:
        """Let go whoever awaits the call, whatever becomes of it."""
        super().cancel(msg)

    def take(self) -> bool:
        """Return whether the call is the caller's, to run it or to drop it; any thread may ask."""
        try:
            # One step of the interpreter: of two threads, one gets the item.
            self.ticket.pop()
        except IndexError:
            return False
        return True

    # As a coroutine.

    def send(self, value: None, /) -> Any:
        """Go on to wait for the result."""
        if self.awaiting is None:
            self.awaiting = self.__await__()
        return self.awaiting.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error in whoever waits for the result."""
        if self.awaiting is None:
            self.awaiting = self.__await__()
        return self.awaiting.throw(*error)

    def close(self) -> None:
        """Wait no more, as of a task that ends; the call goes on."""
        if self.awaiting is not None:
            self.awaiting.close()

    def settle(self, value: Any, error: BaseException | None) -> None:
        """Be done: the call has ended, with a value or an error."""
        self.received_ns = perf_counter_ns()
        if self.done():
            return
        if self.cancelling:
            self.abandon(self.message)
        elif error is None:
            self.set_result(value)
        elif isinstance(error, StopIteration):
            # A future refuses it, since it would end the coroutine that awaits.
            raised = RuntimeError(f"{name_of(self.function)}() raised StopIteration")
            raised.__cause__ = error
            self.set_exception(raised)
        else:
            self.set_exception(error)


class Running(threading.local):
    """The call that the current thread runs for a pool, if any."""

    call: Call[Any] | None = None


running = Running()


def cancelled() -> bool:
    """Return whether the call of a pool that this code runs in was cancelled.

    A thread cannot be stopped from outside: a function that takes long asks this now and then.

    Raises:
        RuntimeError: no pool runs this code.

    Example:
        def search(pages):
            for page in pages:
                if fournil.cancelled():
                    return None
                ...
    """
    if running.call is None:
        raise RuntimeError("cancelled() is for functions that a pool runs: nobody can cancel this")
    return running.call.cancelling


def check_cancelled() -> None:
    """Raise `asyncio.CancelledError` if the call that this code runs in was cancelled.

    Raises:
        asyncio.CancelledError: it was.
        RuntimeError: no pool runs this code.
    """
    if cancelled():
        raise asyncio.CancelledError


def outcome_of(call: Call[Any]) -> tuple[Any, BaseException | None]:
    """Run a call, in the thread of a worker; return its value and what it raised."""
    running.call = call
    call.began_ns = perf_counter_ns()
    try:
        if call.context is None:
            value = call.function(*call.args, **call.kwargs)
        else:
            value = call.context.run(call.function, *call.args, **call.kwargs)
        if type(value) is CoroutineType:
            value.close()
            raise TypeError(
                f"{name_of(call.function)}() is a coroutine function: await it, or give it to"
                " asyncio.run() in a function that the pool runs"
            )
    except BaseException as error:
        return None, error
    finally:
        call.ended_ns = perf_counter_ns()
        running.call = None
    return value, None


def name_of(function: object) -> str:
    """Return how messages name a function."""
    return getattr(function, "__qualname__", None) or repr(function)
