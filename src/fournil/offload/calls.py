"""Calls of a pool that are in flight, and what becomes of each."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

from fournil._worker.naming import name_of
from fournil.errors import WorkerDied
from fournil.offload import forking
from fournil.offload.account import Account
from fournil.offload.call import NO_KWARGS, Call, as_a_future_takes_it
from fournil.record import kinds


class Calls:
    """Calls of one pool; its loop's thread's alone.

    Args:
        account: counts how they end.
        cancel: the pool's method that does what can be done about a call that a worker has.

    Attributes:
        in_flight: calls that were submitted and have not ended, nor were abandoned.
        process: in which the pool works; 0: it does not work yet.
        closed: whether the pool takes no more.
    """

    def __init__(
        self, account: Account, cancel: weakref.WeakMethod[Callable[[Call[Any]], None]]
    ) -> None:
        self._account = account
        self._cancel = cancel
        self._none: asyncio.Future[None] | None = None
        self.in_flight: set[Call[Any]] = set()
        self.process = 0
        self.closed = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether the pool is that of the process of which this one was forked."""
        return self.process not in (0, forking.process)

    async def until_none(self) -> None:
        """Wait until none is in flight."""
        while self.in_flight:
            if self._none is None:
                self._none = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._none)

    def cancel_all(self) -> None:
        for call in list(self.in_flight):
            call.cancel()

    def stop(self, call: Call[Any]) -> None:
        """Cancel a call that a worker has, as far as that can be done."""
        # One of the parent's may run, but its outcome does not come here.
        cancel = None if self.is_elsewhere else self._cancel()
        (cancel or self.drop)(call)

    def drop(self, call: Call[Any]) -> None:
        """Cancel a call that will never run."""
        # It may stand in a queue until a worker comes to it.
        call.args, call.kwargs = (), NO_KWARGS
        self._account.cancelled += 1
        self._account.note(call, kinds.CALL_CANCELLED)
        call.set_cancelled()
        self._left(call)

    def ended(
        self, call: Call[Any], value: Any, error: BaseException | None, received_ns: int
    ) -> None:
        """Count a call that has ended, and hand on its outcome.

        Args:
            call: one that was taken.
            value: what it returned.
            error: what it raised, or why it can have no value.
            received_ns: now, on the clock of the call's timeline.
        """
        # What `isinstance` would ask of an exception is code of the program.
        call.received_ns = received_ns
        if call.abandoned:
            if error is not None and not issubclass(type(error), asyncio.CancelledError):
                _report(call, error)
            return
        account = self._account
        if error is None and not call.cancelling:
            account.done += 1
            state = kinds.CALL_DONE
            call.set_result(value)
        elif call.cancelling and (error is None or issubclass(type(error), asyncio.CancelledError)):
            account.cancelled += 1
            state = kinds.CALL_CANCELLED
            call.set_cancelled()
        else:
            assert error is not None
            died = issubclass(type(error), WorkerDied) and not call.ended_ns
            if call.began_ns or died:
                account.failed += 1
            else:
                account.refused += 1
            state = kinds.CALL_DIED if died else kinds.CALL_RAISED
            call.set_exception(as_a_future_takes_it(call, error))
        if account.record is not None:
            account.note(call, state)
        self._left(call)

    def abandon(self, call: Call[Any]) -> None:
        """Let whoever awaits a call that runs go on; `ended` follows when it has ended."""
        call.abandoned = True
        self._account.cancelled += 1
        self._account.abandoned += 1
        self._account.note(call, kinds.CALL_ABANDONED)
        call.set_cancelled()
        self._left(call)

    def _left(self, call: Call[Any]) -> None:
        self.in_flight.discard(call)
        if not self.in_flight and self._none is not None:
            if not self._none.done():
                self._none.set_result(None)
            self._none = None


def _report(call: Call[Any], error: BaseException) -> None:
    call.get_loop().call_exception_handler(
        {
            "message": f"a call of {name_of(call.function)} that was abandoned raised",
            "exception": error,
            "future": call,
        }
    )
