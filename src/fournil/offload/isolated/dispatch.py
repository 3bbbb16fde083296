"""Which call goes to which worker, and what becomes of it when a worker dies.

Pure: it is told what happened, and says what is to be done; sockets, processes and clocks are
its caller's. So it is tested by itself, with every order of events.

A worker gets several short calls at a time, so that messages are few, and answers them in order.
A call that turns out to be long holds up those behind it: they are taken back when another worker
has nothing to do, as are those of a worker that begins none: it may have been stopped. What a
worker has begun, and only that, is lost when it dies.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

C = TypeVar("C")

AHEAD_NS = 2_000_000
"""A worker has calls for about so long a time with it: longer than a message takes to come."""

MOST = 256
"""The most calls that are with a worker."""

HEAVY = 2
"""The most calls with big arguments that are with a worker: each has memory of its own."""

LONG_NS = 10_000_000
"""Calls that take so long are not sent ahead: the wait for the next message is nothing to them."""


@dataclass(slots=True)
class Desk(Generic[C]):
    """What one worker has to do.

    Attributes:
        number: the worker's.
        sent: calls with the worker that are not answered, by number, in their order.
        revoked: of these, those that it is told not to begin, until that is settled.
        unwanted: of the revoked, those that nobody wants to be run elsewhere.
        loading: calls on their way to it, for which memory is being filled.
        heavy: calls for which memory was or is being filled, and that are not answered.
        last: number of the call that was sent last.
        began: what the worker had begun when it was looked at last.
        calls: how many it was sent.
        open: whether it gets more calls.
        stalled: whether calls were taken back since it began none; it gets others when it has gone
            on, as the answer to one of those tells.
    """

    number: int
    sent: dict[int, C] = field(default_factory=dict)
    revoked: set[int] = field(default_factory=set)
    unwanted: set[int] = field(default_factory=set)
    loading: int = 0
    heavy: int = 0
    last: int = 0
    began: int = 0
    calls: int = 0
    open: bool = True
    stalled: bool = False

    @property
    def load(self) -> int:
        return len(self.sent) + self.loading

    @property
    def is_idle(self) -> bool:
        return not self.sent and not self.loading


@dataclass(frozen=True, slots=True)
class Death(Generic[C]):
    """What a worker's death did.

    Attributes:
        lost: the call that it ran, if it ran one.
        unwanted: calls that it had not begun and nobody wants any more.
        unread: calls that it began before, whose answers cannot be read.
    """

    lost: C | None
    unwanted: list[C]
    unread: list[C]


class Dispatch(Generic[C]):
    """Decides for all workers of a pool.

    Args:
        slots: how far numbers of calls with one worker may lie apart.
        most_calls: how many calls a worker runs before it is replaced; None: any number.

    Attributes:
        queue: calls that are with no worker.
        desks: of the workers, by number.
        mean_ns: how long calls ran lately; None: none has ended.
    """

    def __init__(self, slots: int, most_calls: int | None = None) -> None:
        self.slots = slots
        self.most_calls = most_calls
        self.queue: deque[C] = deque()
        self.desks: dict[int, Desk[C]] = {}
        self.mean_ns: float | None = None

    # Workers come.

    def add_worker(self, number: int) -> Desk[C]:
        desk = self.desks[number] = Desk[C](number)
        return desk

    # Calls go.

    def next_desk(self) -> Desk[C] | None:
        """Return the worker that is to get the next call; None: all have enough."""
        best = None
        for desk in self.desks.values():
            if desk.open and self.room(desk) and (best is None or desk.load < best.load):
                best = desk
        return best

    def room(self, desk: Desk[C]) -> int:
        """Return how many more calls the worker may get now."""
        if not desk.open or desk.stalled or desk.heavy >= HEAVY:
            return 0
        room = self.ahead() - len(desk.sent) - desk.loading
        # A number must not mean two calls, one of which was taken back and not yet passed.
        room = min(room, self.slots - 1 - (desk.last - desk.began) - desk.loading)
        if self.most_calls is not None:
            room = min(room, self.most_calls - desk.calls - desk.loading)
        return max(room, 0)

    def ahead(self) -> int:
        """Return how many calls are to be with a worker."""
        mean = self.mean_ns
        if mean is None:
            return 2
        if mean >= LONG_NS:
            return 1
        return max(2, min(MOST, int(AHEAD_NS / (mean + 1))))

    def send(self, desk: Desk[C], call: C) -> int:
        """Note that a call is sent to a worker; return its number there."""
        desk.last = number = desk.last + 1
        desk.calls += 1
        desk.sent[number] = call
        if desk.calls == self.most_calls:
            desk.open = False
        return number

    # Calls end.

    def ended(self, desk: Desk[C], number: int, ran_ns: int) -> C | None:
        """Note that a worker answered a call; return it."""
        call = desk.sent.pop(number, None)
        if number > desk.began:
            desk.began = number
        if desk.revoked:
            # It was revoked too late.
            desk.revoked.discard(number)
            desk.unwanted.discard(number)
            desk.stalled = False
        mean = self.mean_ns
        self.mean_ns = ran_ns if mean is None else mean + (ran_ns - mean) / 8
        return call

    # Calls are taken back.

    def held_up(self, desk: Desk[C], began: int, stalls: bool) -> list[int]:
        """Return which calls to revoke, since the worker is long at one and others are idle.

        Args:
            desk: the worker that is looked at, once a millisecond.
            began: the last call that it began.
            stalls: whether it has had its next call for long, and runs none.
        """
        long = began and began == desk.began and began in desk.sent
        desk.began = max(desk.began, began)
        if not (long or stalls) or self.queue or self.idle_desk() is None:
            return []
        numbers = [number for number in desk.sent if number > began and number not in desk.revoked]
        desk.revoked.update(numbers)
        desk.stalled |= stalls and bool(numbers)
        return numbers

    def idle_desk(self) -> Desk[C] | None:
        """Return a worker that has nothing to do; None: there is none."""
        for desk in self.desks.values():
            if desk.open and not desk.stalled and not desk.sent and not desk.loading:
                return desk
        return None

    def revoke(self, desk: Desk[C], number: int) -> None:
        """Take back a call that nobody wants to be run any more."""
        desk.revoked.add(number)
        desk.unwanted.add(number)

    def settle(
        self, desk: Desk[C], numbers: list[int], began: int
    ) -> tuple[list[C], list[tuple[int, C]]]:
        """Take back what was revoked and not begun; it is in the queue again, first.

        Args:
            desk: the worker's.
            numbers: what was revoked, long enough ago for the worker to see it.
            began: the last call that it began, read now.

        Returns:
            of the calls that nobody wants: those that will not run, and those that the worker has
            begun or skipped, with their numbers.
        """
        desk.began = max(desk.began, began)
        again: list[C] = []
        dropped: list[C] = []
        begun: list[tuple[int, C]] = []
        for number in numbers:
            if number not in desk.revoked:
                continue  # it was answered
            if number > began:
                call, wanted = self._take_back(desk, number)
                (again if wanted else dropped).append(call)
            elif number in desk.unwanted:
                begun.append((number, desk.sent[number]))
        self.queue.extendleft(reversed(again))
        return dropped, begun

    def skipped(self, desk: Desk[C], number: int) -> C | None:
        """Note that a worker skipped a revoked call; return it if nobody wants it any more."""
        desk.began = max(desk.began, number)
        desk.stalled = False
        if number not in desk.revoked:
            return None  # it was taken back already
        call, wanted = self._take_back(desk, number)
        if not wanted:
            return call
        self.queue.appendleft(call)
        return None

    def _take_back(self, desk: Desk[C], number: int) -> tuple[C, bool]:
        wanted = number not in desk.unwanted
        desk.revoked.discard(number)
        desk.unwanted.discard(number)
        return desk.sent.pop(number), wanted

    # Workers go.

    def died(self, desk: Desk[C], began: int) -> Death[C]:
        """Take a worker away, whose answers were read; what it had not begun goes on.

        Args:
            desk: the worker's.
            began: the last call that it began.
        """
        self.desks.pop(desk.number, None)
        desk.open = False
        lost = None
        again: list[C] = []
        unwanted: list[C] = []
        unread: list[C] = []
        for number, call in desk.sent.items():
            # Revoked or not: perhaps it was begun just before. No call may run twice.
            if number == began:
                lost = call
            elif number in desk.unwanted:
                unwanted.append(call)
            elif number < began:
                unread.append(call)
            else:
                again.append(call)
        desk.sent.clear()
        desk.revoked.clear()
        desk.unwanted.clear()
        self.queue.extendleft(reversed(again))
        return Death(lost, unwanted, unread)
