"""Calls of a loop in the threads of its default executor."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from contextvars import Context
from functools import partial
from time import perf_counter_ns
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

from fournil.offload.calling import Outcomes
from fournil.record import hook, kinds

if TYPE_CHECKING:
    # It is generic for type checkers alone.
    Future = asyncio.Future[Any]

CANCELLED = asyncio.CancelledError()
"""The outcome of a call that the executor cancelled, when it was shut down."""


class LoopCall:
    """A call of the loop on its way to a thread and back.

    All fields belong to the loop's thread before the call is appended to the queue and after its
    outcome was put; in between to the thread that took it from there. The future is the loop's
    throughout: others only ask whether it was cancelled, and a call whose future was, before a
    thread took the call, never runs.

    Attributes:
        awaited: the future that the loop gave to whoever awaits the call.
        record: the recorder's side of the executor; None: the call is not recorded, and none of
            the fields below is set.
        subject: the step that called, as the recorder names it.
        worker, cpu_ns: the thread that ran the call, and the CPU time that it used for it.
        queued_ns, began_ns, ended_ns: times on the clock of `time.perf_counter_ns`; 0: never.
    """

    __slots__ = (
        "args",
        "awaited",
        "began_ns",
        "cpu_ns",
        "ended_ns",
        "function",
        "outcomes",
        "queued_ns",
        "record",
        "subject",
        "worker",
    )

    worker: str | None

    def __init__(
        self,
        awaited: Future,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        outcomes: Outcomes[LoopCall],
        record: hook.PoolRecord | None,
    ) -> None:
        self.awaited = awaited
        self.function = function
        self.args = args
        self.outcomes = outcomes
        self.record = record
        if record is not None:
            self.queued_ns = perf_counter_ns()
            self.began_ns = self.ended_ns = self.cpu_ns = 0
            self.worker = None
            self.subject = record.queued()

    @property
    def cancelling(self) -> bool:
        """Whether nobody awaits the call any more; for the function that runs."""
        return self.awaited.cancelled()

    @property
    def future(self) -> LoopCall:
        """The object that `ThreadPoolExecutor.shutdown` cancels: the call, in any thread."""
        return self

    def cancel(self) -> None:
        self.outcomes.ended.append((self, None, CANCELLED))
        if not self.outcomes.woken:
            self.outcomes.wake_loop()

    def note(self, error: BaseException | None, received_ns: int) -> None:
        """Have the end of the call recorded."""
        assert self.record is not None
        if self.awaited.cancelled() or error is CANCELLED:
            state = kinds.CALL_ABANDONED if self.began_ns else kinds.CALL_CANCELLED
        else:
            state = kinds.CALL_DONE if error is None else kinds.CALL_RAISED
        times = self.queued_ns, 0, self.began_ns, self.ended_ns, received_ns
        self.record.used(self.cpu_ns)
        function = called_by_to_thread(self.function)
        self.record.ended(function, self.worker, self.subject, state, times, 0, 0)


def called_by_to_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that `asyncio.to_thread` was given; without it, the function itself.

    >>> from contextvars import copy_context
    >>> called_by_to_thread(partial(copy_context().run, pow, 2))
    <built-in function pow>
    >>> called_by_to_thread(pow)
    <built-in function pow>
    """
    if type(function) is partial and function.args:
        runs_it = function.func
        if type(runs_it) is BuiltinFunctionType and type(runs_it.__self__) is Context:
            called: Callable[..., Any] = function.args[0]
            return called
    return function


def as_asyncio_has_it(error: BaseException) -> BaseException:
    """Return the exception that a future of asyncio's gets for one that a function raised."""
    kind = type(error)
    if issubclass(kind, StopIteration):
        # It would end the coroutine that awaits; CPython does the same since 3.12.
        raised = RuntimeError(
            "StopIteration interacts badly with generators and cannot be raised into a Future"
        )
        raised.__cause__ = raised.__context__ = error
        return raised
    if kind is concurrent.futures.CancelledError:
        return asyncio.CancelledError(*error.args).with_traceback(error.__traceback__)
    if kind is concurrent.futures.InvalidStateError:
        return asyncio.InvalidStateError(*error.args).with_traceback(error.__traceback__)
    return error
