"""Dispatch of calls to workers, and what becomes of calls when a worker dies.

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
class Slot(Generic[C]):
    """Slot of one worker: what it has to do.

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
    """Instruction for the calls of a worker that died: what was lost, and what to drop.

    Attributes:
        lost: the call that it ran, if it ran one.
        unwanted: calls that it had not begun and nobody wants any more.
        unread: calls that it began before, whose answers cannot be read.
    """

    lost: C | None
    unwanted: list[C]
    unread: list[C]


@dataclass(frozen=True, slots=True)
class Revoke:
    """Instruction to tell a worker not to begin calls, and to settle that a millisecond later.

    Attributes:
        numbers: the calls'.
    """

    numbers: list[int]


@dataclass(frozen=True, slots=True)
class Settled(Generic[C]):
    """What became of calls that a worker was told not to begin, and what to do about them.

    Attributes:
        taken_back: numbers of those that it will not run, whose memory is free; those that somebody
            wants are in the queue again.
        dropped: of these, the calls that nobody wants: to be dropped.
        interrupted: number of one that nobody wants and that it runs: to be interrupted.
    """

    taken_back: list[int]
    dropped: list[C]
    interrupted: int | None


class Dispatch(Generic[C]):
    """Decisions for all workers of a pool.

    Args:
        window: how far numbers of calls with one worker may lie apart.
        most_calls: how many calls a worker runs before it is replaced; None: any number.

    Attributes:
        queue: calls that are with no worker.
        slots: of the workers, by number.
        mean_ns: how long calls ran lately; None: none has ended.
    """

    def __init__(self, window: int, most_calls: int | None = None) -> None:
        self.window = window
        self.most_calls = most_calls
        self.queue: deque[C] = deque()
        self.slots: dict[int, Slot[C]] = {}
        self.mean_ns: float | None = None

    # Workers come.

    def add_worker(self, number: int) -> Slot[C]:
        slot = self.slots[number] = Slot[C](number)
        return slot

    # Calls go.

    def next_slot(self) -> Slot[C] | None:
        """Return the worker that is to get the next call; None: all have enough."""
        best = None
        for slot in self.slots.values():
            if slot.open and self.room(slot) and (best is None or slot.load < best.load):
                best = slot
        return best

    def room(self, slot: Slot[C]) -> int:
        """Return how many more calls the worker may get now."""
        if not slot.open or slot.stalled or slot.heavy >= HEAVY:
            return 0
        room = self.ahead() - len(slot.sent) - slot.loading
        # A number must not mean two calls, one of which was taken back and not yet passed.
        room = min(room, self.window - 1 - (slot.last - slot.began) - slot.loading)
        if self.most_calls is not None:
            room = min(room, self.most_calls - slot.calls - slot.loading)
        return max(room, 0)

    def ahead(self) -> int:
        """Return how many calls are to be with a worker."""
        mean = self.mean_ns
        if mean is None:
            return 2
        if mean >= LONG_NS:
            return 1
        return max(2, min(MOST, int(AHEAD_NS / (mean + 1))))

    def send(self, slot: Slot[C], call: C) -> int:
        """Note that a call is sent to a worker; return its number there."""
        slot.last = number = slot.last + 1
        slot.calls += 1
        slot.sent[number] = call
        if slot.calls == self.most_calls:
            slot.open = False
        return number

    # Calls end.

    def ended(self, slot: Slot[C], number: int, ran_ns: int) -> C | None:
        """Note that a worker answered a call; return it."""
        call = slot.sent.pop(number, None)
        if number > slot.began:
            slot.began = number
        if slot.revoked:
            # It was revoked too late.
            slot.revoked.discard(number)
            slot.unwanted.discard(number)
            slot.stalled = False
        mean = self.mean_ns
        self.mean_ns = ran_ns if mean is None else mean + (ran_ns - mean) / 8
        return call

    # Calls are taken back.

    def held_up(self, slot: Slot[C], began: int, stalls: bool) -> Revoke | None:
        """Return which calls to revoke, since the worker is long at one and others are idle.

        Args:
            slot: the worker that is looked at, once a millisecond.
            began: the last call that it began.
            stalls: whether it has had its next call for long, and runs none.
        """
        long = began and began == slot.began and began in slot.sent
        slot.began = max(slot.began, began)
        if not (long or stalls) or self.queue or self.idle_slot() is None:
            return None
        numbers = [number for number in slot.sent if number > began and number not in slot.revoked]
        if not numbers:
            return None
        slot.revoked.update(numbers)
        slot.stalled |= stalls
        return Revoke(numbers)

    def idle_slot(self) -> Slot[C] | None:
        """Return a worker that has nothing to do; None: there is none."""
        for slot in self.slots.values():
            if slot.open and not slot.stalled and not slot.sent and not slot.loading:
                return slot
        return None

    def revoke(self, slot: Slot[C], number: int) -> None:
        """Take back a call that nobody wants to be run any more."""
        slot.revoked.add(number)
        slot.unwanted.add(number)

    def settle(self, slot: Slot[C], numbers: list[int], began: int) -> Settled[C]:
        """Take back what was revoked and not begun; it is in the queue again, first.

        Args:
            slot: the worker's.
            numbers: what was revoked, long enough ago for the worker to see it.
            began: the last call that it began, read now.
        """
        slot.began = max(slot.began, began)
        taken_back: list[int] = []
        again: list[C] = []
        dropped: list[C] = []
        interrupted = None
        for number in numbers:
            if number not in slot.revoked:
                continue  # it was answered
            if number > began:
                taken_back.append(number)
                call, wanted = self._take_back(slot, number)
                (again if wanted else dropped).append(call)
            elif number == began and number in slot.unwanted:
                interrupted = number
        self.queue.extendleft(reversed(again))
        return Settled(taken_back, dropped, interrupted)

    def skipped(self, slot: Slot[C], number: int) -> C | None:
        """Note that a worker skipped a revoked call; return it if nobody wants it any more."""
        slot.began = max(slot.began, number)
        slot.stalled = False
        if number not in slot.revoked:
            return None  # it was taken back already
        call, wanted = self._take_back(slot, number)
        if not wanted:
            return call
        self.queue.appendleft(call)
        return None

    def _take_back(self, slot: Slot[C], number: int) -> tuple[C, bool]:
        wanted = number not in slot.unwanted
        slot.revoked.discard(number)
        slot.unwanted.discard(number)
        return slot.sent.pop(number), wanted

    # Workers go.

    def died(self, slot: Slot[C], began: int) -> Death[C]:
        """Take a worker away, whose answers were read; what it had not begun goes on.

        Args:
            slot: the worker's.
            began: the last call that it began.
        """
        self.slots.pop(slot.number, None)
        slot.open = False
        lost = None
        again: list[C] = []
        unwanted: list[C] = []
        unread: list[C] = []
        for number, call in slot.sent.items():
            # Revoked or not: perhaps it was begun just before. No call may run twice.
            if number == began:
                lost = call
            elif number in slot.unwanted:
                unwanted.append(call)
            elif number < began:
                unread.append(call)
            else:
                again.append(call)
        slot.sent.clear()
        slot.revoked.clear()
        slot.unwanted.clear()
        self.queue.extendleft(reversed(again))
        return Death(lost, unwanted, unread)
