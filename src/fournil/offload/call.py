"""One function call on its way to a worker and back.

States of a call, and who has it go from one to the next:

| state | seen by | next | by whom |
| --- | --- | --- | --- |
| queued | `ticket` is there | taken | the kind of pool: `take` returns True |
| | | dropped | `cancel`: `take` returns True, and no worker gets it |
| taken | no `ticket` | ended | the kind of pool, by `Calls.ended` |
| | | cancelling | `cancel` |
| cancelling | `cancelling` | ended | as above; a result is then a cancellation |
| | | dropped | the kind, by `Calls.drop`: it is certain never to run |
| | | abandoned | the kind, by `Calls.abandon`: nobody waits, and it runs on |
| abandoned | `abandoned`, done | abandoned | `Calls.ended`, which reports what it raised |
| ended, dropped | done | | |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from fournil._worker.naming import name_of

if TYPE_CHECKING:
    from contextvars import Context

    from fournil._worker.pickling.variables import Values

R = TypeVar("R")

NO_KWARGS: dict[str, Any] = {}
"""Those of all calls that have none: thousands of empty ones are work for the collector."""


class Owner(Protocol):
    """What a call asks for when it is cancelled."""

    def drop(self, call: Call[Any]) -> None:
        """Cancel a call that will never run."""

    def stop(self, call: Call[Any]) -> None:
        """Cancel a call that a worker has, as far as that can be done."""


class Call(asyncio.Future[R], Coroutine[Any, Any, R]):
    """A call: a future of its result, and, for `create_task` and task groups, a coroutine too.

    All of it belongs to the thread of the loop, but for two things: a worker takes the call by
    its `ticket`, and then writes when it began and ended, before it hands the outcome back; and
    the function that runs reads `cancelling`.

    Attributes:
        pool: where it runs; held, so that nobody throws it away meanwhile.
        owner: what has it cancelled.
        function, args, kwargs: what is called.
        context: what it runs in, where that is in this process.
        values: of context variables, to be set where it runs, where that is another process.
        worker: which worker took it, by the name in the pool's statistics; None before.
        queued_ns, sent_ns, began_ns, ended_ns, received_ns: its timeline, on the clock of
            `time.perf_counter_ns`; 0 where it has not come so far, and `sent_ns` where calls do
            not travel.
        bytes_out, bytes_back: how many its arguments and its outcome took on the way.
        subject: who called, as the recorder names it; 0: not known.
    """

    __slots__ = (
        "abandoned",  # nobody waits for it any more, and it runs
        "args",
        "awaiting",  # what `send` goes on with
        "began_ns",
        "bytes_back",
        "bytes_out",
        "cancelling",  # somebody wants it cancelled, and it was taken
        "context",
        "ended_ns",
        "function",
        "kwargs",
        "message",  # of the cancellation
        "owner",
        "pool",
        "queued_ns",
        "received_ns",
        "sent_ns",
        "subject",
        # Whoever deletes it, the kind of pool to have a worker run the call or the loop to drop
        # it, decides what becomes of the call.
        "ticket",
        "values",
        "worker",
    )

    pool: object
    owner: Owner
    function: Callable[..., R]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    context: Context | None
    values: Values | None
    worker: str | None
    ticket: None
    cancelling: bool
    abandoned: bool
    message: object
    awaiting: Generator[Any, None, R] | None
    queued_ns: int
    sent_ns: int
    began_ns: int
    ended_ns: int
    received_ns: int
    bytes_out: int
    bytes_back: int
    subject: int

    def cancel(self, msg: object = None) -> bool:
        """Drop the call if it was not taken; else ask its pool what can be done.

        Returns:
            False if the call is done.
        """
        if self.done():
            return False
        if self.take():
            self.message = msg
            self.owner.drop(self)
        elif not self.cancelling:
            # Whoever awaits this goes on when the call has ended, unless its pool can do better.
            self.cancelling = True
            self.message = msg
            self.owner.stop(self)
        return True

    def set_cancelled(self) -> None:
        """Have whoever awaits the call go on, cancelled, whatever becomes of it."""
        super().cancel(self.message)

    def take(self) -> bool:
        """Return whether the call is the caller's, to run it or to drop it; any thread may ask."""
        try:
            # One step of the interpreter: of two threads, one deletes it.
            del self.ticket
        except AttributeError:
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


def new_call(
    pool: object,
    owner: Owner,
    function: Callable[..., R],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    loop: asyncio.AbstractEventLoop,
) -> Call[R]:
    """Return a call, queued now."""
    # Made here and not in an `__init__`, whose way through `super` costs as much again.
    call: Call[R] = Call(loop=loop)
    call.pool = pool
    call.owner = owner
    call.function = function
    call.args = args
    call.kwargs = kwargs or NO_KWARGS
    call.context = call.values = call.worker = call.awaiting = call.message = call.ticket = None
    call.cancelling = call.abandoned = False
    call.queued_ns = perf_counter_ns()
    call.sent_ns = call.began_ns = call.ended_ns = call.received_ns = 0
    call.bytes_out = call.bytes_back = call.subject = 0
    return call


def as_a_future_takes_it(call: Call[Any], error: BaseException) -> BaseException:
    """Return what a call is to raise; a future takes no StopIteration."""
    if not issubclass(type(error), StopIteration):
        return error
    # It would end the coroutine that awaits.
    raised = RuntimeError(f"{name_of(call.function)}() raised StopIteration")
    raised.__cause__ = error
    return raised
