"""Checks of workers, while calls are in flight.

Nobody tells that a process was stopped, or that code of the program closed a descriptor: while
calls are in flight all workers are checked, again and again. Who has that done:

| who | from | until |
| --- | --- | --- |
| nobody | a check finds no call in flight, and few since the last | a call or a worker comes |
| a timer of the loop | a call or a worker comes; the workers are told to end | it has checked |
| the watchdog's thread | a check finds that calls come fast | they do not; a worker comes |

A check that finds calls in flight has another follow: `is_due` is true until then.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from time import perf_counter_ns

from fournil.offload.account import Account
from fournil.offload.calls import Calls
from fournil.offload.isolated import watchdog
from fournil.offload.isolated.watchdog import TICK_S, Registration

SOON_S, SELDOM_S = 0.01, 1.0
"""Workers are checked so soon after a call was queued, and then less and less often, as long as
that call waits."""

MANY = 16
"""Where more calls end between two checks the watchdog keeps the time: a timer that is pending
costs each turn of the loop a microsecond, in the kernel."""


class Checks:
    """Moments at which the workers of one pool are checked; its loop's thread's alone.

    Args:
        loop: in which the pool works.
        calls: what is in flight.
        account: counts how calls end.
        check: checks all workers; returns whether any are left.

    Attributes:
        is_due: whether there will be a check.
        ending: whether workers are checked as long as any are left, and not for calls' sake.
        watchdog: what keeps the time in place of a timer.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        calls: Calls,
        account: Account,
        check: weakref.WeakMethod[Callable[[], bool]],
    ) -> None:
        self._loop = loop
        self._calls = calls
        self._account = account
        self._check = check
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = 0.0  # of the timer
        self._checked_ns = 0  # when that was last done
        self._ended = 0  # how many calls had ended by then
        self.is_due = False
        self.ending = False
        self.watchdog: Registration | None = None

    def begin(self, seconds: float = SOON_S) -> None:
        """Have a check come by a timer, so soon, or as soon as there is one already."""
        if self._timer is None:
            self._leave_watchdog()
            self._timer = self._loop.call_later(seconds, self._come)
            self._seconds = seconds
            self.is_due = True
            self._checked_ns = perf_counter_ns()
            self._ended = self._account.ended

    def end(self) -> None:
        """Have no check come any more."""
        self._leave_watchdog()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.is_due = False

    def _come(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        check = self._check()
        if check is None:
            self.end()
            return
        try:
            are_left = check()
        except BaseException:
            # A signal's handler raised, in code of the program.
            self.begin()
            raise
        # Else a worker was replaced meanwhile.
        if self._timer is None:
            self._go_on(are_left)

    def _go_on(self, are_left: bool) -> None:
        """Have another check come, if there is anything to check."""
        before, self._checked_ns = self._checked_ns, perf_counter_ns()
        are_many = self._account.ended - self._ended > MANY
        self._ended = self._account.ended
        in_flight = self._calls.in_flight
        if self.ending:
            if are_left:
                self._begin_later(SELDOM_S)
            else:
                self.end()
        elif are_many:
            self._begin_watchdog()
        elif in_flight:
            are_old = any(call.queued_ns < before for call in in_flight)
            self._begin_later(SELDOM_S if are_old else TICK_S)
        else:
            self.end()

    def _begin_later(self, most: float) -> None:
        """Have a check come after twice as long as the last one, or as long as is said."""
        self.begin(SOON_S if self.watchdog else min(2 * self._seconds, most))

    def _begin_watchdog(self) -> None:
        if self.watchdog is None:
            self.watchdog = watchdog.begin(self._loop, weakref.WeakMethod(self._come))
            if self.watchdog is None:
                self.begin(TICK_S)

    def _leave_watchdog(self) -> None:
        if self.watchdog is not None:
            self.watchdog.end()
            self.watchdog = None
