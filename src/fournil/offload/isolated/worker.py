"""One worker that a pool reaches through a channel, as the pool sees it.

States of a worker, and what has it go from one to the next:

| state | seen by | next | by what |
| --- | --- | --- | --- |
| asked for | `pid` is None | started | its starter tells |
| | | gone | its starter cannot start it, or has ended |
| started | `pid` | ready | Answer.READY: its initializer has returned |
| | | finishing | Answer.BROKEN: its initializer raised |
| ready | `ready`, `slot.open` | finishing | it was idle for long, or has run its share |
| | | given up | `fail`: it cannot be reached or believed; it is killed |
| | | stalled | calls were taken back, since it began none |
| stalled | `slot.stalled` | ready | it answers one of these |
| finishing | not `slot.open` | gone | it has answered its calls, and ended |
| | | gone | it is overdue: it is killed |
| given up | `fate.fault` | gone | its end is told, or it is taken away without |
| gone | not in the engine's `live` | | |

From each it may die, and then is gone; calls that it has not begun go to others.
"""

from __future__ import annotations

import abc
import asyncio
import math
import weakref
from collections.abc import Callable
from pickle import loads
from time import perf_counter_ns
from typing import Any, Protocol

from fournil._worker.control_block import BEGAN, COUNTS, CPU, INTERRUPT, SETTLED_S, WINDOW
from fournil._worker.handlers import is_of_a_handler, pass_on
from fournil._worker.naming import name_of
from fournil._worker.pickling import modules
from fournil._worker.pickling.packing import pack, pack_args, unpack
from fournil._worker.wire import ASK, KEYWORDS, LARGEST, Answer, Ask
from fournil._worker.worker import INTERRUPTS
from fournil.errors import WorkerDied
from fournil.offload.account import Account
from fournil.offload.call import Call
from fournil.offload.calls import Calls
from fournil.offload.isolated import refusals
from fournil.offload.isolated.channel import Channel, Garbage
from fournil.offload.isolated.deaths import Fate
from fournil.offload.isolated.dispatch import Dispatch, Slot
from fournil.offload.isolated.functions import Functions, Sent
from fournil.offload.isolated.known import Known
from fournil.offload.isolated.logs import handle
from fournil.offload.isolated.payloads import Payloads
from fournil.offload.statistics import WorkerStatistics

VALUE = int(Answer.VALUE)
CALL = int(Ask.CALL)

STALLED_NS = 20_000_000
"""A worker that has a call for so long and runs none may have been stopped."""


class Owner(Protocol):
    """What a worker needs of the engine that had it started; its loop's thread's alone."""

    loop: asyncio.AbstractEventLoop
    calls: Calls
    account: Account
    dispatch: Dispatch[Call[Any]]
    functions: Functions
    name: str
    grace: float

    def is_ready(self) -> None:
        """Note that a worker is ready for calls."""

    def break_down(self, error: Callable[[], BaseException], /) -> None:
        """Take no more calls: no worker can be had."""

    def not_started(self, number: int, error: OSError, /) -> None:
        """Note that a worker was not started."""

    def ended(self, number: int, status: int | None, /) -> None:
        """Take a worker away that has ended."""

    def answers_read(self, worker: IsolatedWorker, /) -> None:
        """Send a worker more, or have it end: it has answered calls."""

    def look_soon(self) -> None:
        """Look at workers in a millisecond."""

    def go_on(self) -> None:
        """Send what is in the queue, to new workers too."""


class IsolatedWorker(abc.ABC):
    """One worker of a pool; its loop's thread's alone.

    It does not hold its owner, so that a pool which is thrown away open ends.

    Raises:
        OSError: there is no descriptor or no memory left.
    """

    def __init__(self, owner: Owner, number: int) -> None:
        self._owner = weakref.ref(owner)
        self.grace = owner.grace
        self.number = number
        self.loop = owner.loop
        self.name = f"{owner.name} {number}"
        self.channel = Channel(self.loop, self.answered, self.read, self.fail)
        self.calls = owner.calls
        self.dispatch = owner.dispatch
        self.functions = owner.functions
        self.slot: Slot[Call[Any]] = self.dispatch.add_worker(number)
        self.words = self.channel.control_block.words
        self.account = owner.account
        self.words[COUNTS] = self.account.record is not None
        self.payloads = Payloads(self)
        self.known = Known(self.payloads)
        self.pid: int | None = None
        self.ready = False
        self.ready_ns = 0  # when it was
        self.fate = Fate(self.name)
        self.revoked: list[int] = []  # to be settled at the next look
        self.kills: dict[int, asyncio.TimerHandle] = {}  # by the call that was interrupted
        self.answers = 0  # how many calls it ended
        self.busy_ns = 0
        self.idle_since = perf_counter_ns()
        self.finishing_ns = 0  # when it was told to end; 0: it was not

    @property
    def began(self) -> int:
        """Number of the call that it began last; of the first one that may run, if it lies."""
        began = self.words[BEGAN]
        if self.slot.began <= began <= self.slot.last:
            return began
        return next(iter(self.slot.sent), self.slot.last)

    @property
    def cpu_ns(self) -> int:
        return self.words[CPU]

    # What a kind of worker provides.

    @abc.abstractmethod
    def signal(self, number: int) -> None:
        """Send it a signal, if it is one that a signal reaches; do nothing if it has ended."""

    @abc.abstractmethod
    def kill(self) -> None:
        """End it, whatever it does, or do all that can be done for that."""

    def end_with_starter(self) -> None:
        """End it, as what had started it has ended."""
        self.kill()

    def their_descriptors(self) -> list[int]:
        """Return what it is to be started with; raise OSError if somebody else closed it."""
        return self.channel.their_descriptors()

    def handed_over(self) -> None:
        """Let go of what it has now."""
        self.channel.handed_over()

    def check(self) -> None:
        """See whether it can be reached, and runs; called again and again while somebody waits."""
        self.channel.check()
        # Whoever closes descriptors, or takes numbers, may have taken the loop's reader too.
        self.channel.look()
        owner = self._owner()
        if owner is not None and self.stalls():
            owner.look_soon()

    def stalls(self) -> bool:
        """Return whether it has had its next call for long, and runs none."""
        began = self.began
        number = next(iter(self.slot.sent), 0)
        if number <= began:
            return False
        since = max(self.slot.sent[number].sent_ns, self.ready_ns)
        return perf_counter_ns() - since > STALLED_NS

    # To the worker.

    def send_start(self, body: bytes, big: list[memoryview]) -> None:
        """Have it call the initializer."""
        records: list[bytes] = []
        flags, buffers, body = self.payloads.now(body, big, records)
        records.append(ASK.pack(Ask.START, flags, buffers, 0, 0, len(body)) + body)
        self.channel.write(b"".join(records))

    def encode(self, call: Call[Any], records: list[bytes]) -> None:
        """Append what has the worker run a call, or end the call if that cannot be."""
        if call.done():
            return  # cancelled, while it was in the queue
        call.take()
        call.sent_ns = perf_counter_ns()
        try:
            function = self.functions.get(call.function)
            try:
                if call.kwargs or call.values:
                    flags = KEYWORDS
                    body, big = pack((call.args, call.kwargs, call.values or []))
                else:
                    flags = 0
                    body, big = pack_args(call.args)
            except BaseException as why:
                pass_on(why)
                raise refusals.refused(call, why) from why
            call.bytes_out = len(body)
            if big or len(body) > LARGEST:
                self.payloads.send(call, function, flags, body, big, records)
            else:
                self.append(call, function, flags, 0, body, records)
        except BaseException as error:
            # Soon, and not in the midst of what calls this.
            if is_of_a_handler(error):
                self.loop.call_soon(self.calls.drop, call)
                raise
            self.loop.call_soon(self.calls.ended, call, None, error, perf_counter_ns())

    def append(
        self,
        call: Call[Any],
        function: Sent,
        flags: int,
        buffers: int,
        body: bytes,
        records: list[bytes],
    ) -> int:
        """Append the records of a call; return its number."""
        known = self.known
        if known.path is not modules.path:
            known.tell_path(records)
        if function.number not in known.functions:
            known.tell_function(function, records)
        number = self.dispatch.send(self.slot, call)
        self.channel.control_block.revoked[number % WINDOW] = 0
        if self.account.record is not None and len(self.slot.sent) == 1:
            self.account.note_running(self.name, self.slot.sent, call.sent_ns)
        records.append(ASK.pack(CALL, flags, buffers, number, function.number, len(body)) + body)
        return number

    def forget(self, number: int, soon: bool) -> None:
        """Have the worker forget a function, soon or when it is told another."""
        if self.known.forget(number) and soon:
            # When the calls of it are sent.
            self.loop.call_soon(self.tell_forgotten)

    def tell_forgotten(self) -> None:
        # Else it was closed meanwhile.
        if self.number in self.dispatch.slots and (records := self.known.to_forget()):
            self.channel.write(b"".join(records))

    def stop_call(self, number: int) -> None:
        """Keep a call from beginning, or interrupt it."""
        began = self.began
        if began == number:
            self.interrupt(number)
        elif began < number:
            self.dispatch.revoke(self.slot, number)
            self.revoke([number])

    def revoke(self, numbers: list[int]) -> None:
        for number in numbers:
            self.channel.control_block.revoked[number % WINDOW] = 1
        self.revoked += numbers

    def interrupt(self, number: int) -> None:
        self.words[INTERRUPT] = number
        self.signal(INTERRUPTS)
        if self.grace < math.inf and number not in self.kills:
            self.kills[number] = self.loop.call_later(self.grace, self.kill_if_at, number)

    def kill_if_at(self, number: int) -> None:
        del self.kills[number]
        if number in self.slot.sent:
            self.kill()

    def fail(self, fault: str, cause: Exception | None) -> None:
        """Give it up, since it cannot be reached or believed: it is killed, and taken away.

        Args:
            fault: what happened, as a sentence goes on that begins with the worker.
            cause: what was raised.
        """
        if self.fate.fault is None:
            self.fate.fault, self.fate.cause = fault, cause
            self.slot.open = False
            self.kill()

    def lose(self) -> None:
        """Take it away, though nobody tells that it has ended, and it begins no more calls."""
        self.slot.open = False
        for number in self.slot.sent:
            self.channel.control_block.revoked[number % WINDOW] = 1
        self.loop.call_later(SETTLED_S, self.has_ended, None)

    def has_ended(self, status: int | None) -> None:
        """Have the pool take it away."""
        owner = self._owner()
        if owner is not None:
            owner.ended(self.number, status)

    def death(self, call: Call[Any] | None, status: int | None) -> WorkerDied:
        """Return what to raise about its death.

        Args:
            call: the call that it ran; None: it was not ready for calls.
            status: as `os.wait` returns it; None: nobody knows.
        """
        function = None if call is None else call.function
        return self.fate.death(self.pid, function, status)

    def finish(self) -> None:
        """Give it no more calls; it ends after those that it has."""
        self.slot.open = False
        self.finishing_ns = self.finishing_ns or perf_counter_ns()
        self.channel.end()

    # From the worker.

    def answered(
        self,
        kind: int,
        flags: int,
        buffers: int,
        number: int,
        body: memoryview,
        ended: int,
        ran: int,
    ) -> None:
        owner = self._owner()
        if owner is None:
            return  # thrown away, with nobody who waits for anything
        if kind == VALUE:
            call = self.dispatch.ended(self.slot, number, ran)
            if self.slot.heavy:
                self.payloads.answered(number)
            if call is None:
                raise Garbage(f"the value of a call that it does not have, number {number}")
            value: Any = None
            error: BaseException | None = None
            raised: BaseException | None = None
            call.bytes_back = len(body)
            try:
                if buffers:
                    body, views = self.payloads.views(flags, buffers, body)
                    call.bytes_back = len(body) + sum(view.nbytes for view in views)
                    value = unpack(body, views)
                elif body:
                    value = loads(body)
            except BaseException as why:
                raised = why
                error = refusals.cannot_come_back(call, why)
            self.hand_on(call, value, error, ended, ran)
            if raised is not None:
                pass_on(raised)
            return
        match kind:
            case Answer.ERROR:
                call = self.dispatch.ended(self.slot, number, ran)
                self.payloads.answered(number)
                if call is None:
                    raise Garbage(f"the error of a call that it does not have, number {number}")
                error, raised = self.error_of(flags, buffers, body)
                self.hand_on(call, None, error, ended, ran)
                if raised is not None:
                    pass_on(raised)
            case Answer.SKIPPED:
                self.payloads.skipped(number)
                call = self.dispatch.skipped(self.slot, number)
                self.note_taken_back()
                if call is not None:
                    self.calls.drop(call)
            case Answer.READY:
                self.ready, self.ready_ns = True, perf_counter_ns()
                owner.is_ready()
            case Answer.BROKEN:
                if self.ready:
                    raise Garbage("that its initializer failed, which had returned")
                self.slot.open = False
                self.ready = True  # as far as it will be: not to be tried again
                if buffers:
                    body, _ = self.payloads.views(flags, buffers, body)
                packed = bytes(body)
                owner.break_down(lambda: refusals.raised_there(packed)[0])
            case Answer.RETIRING:
                self.slot.open = False
            case Answer.LOG:
                handle(self.loop, self.name, body)
            case Answer.SEGMENT | Answer.RETURNED | Answer.WITHDRAWN:
                self.payloads.told(kind, flags, number, body)
            case _:
                raise Garbage(f"a record of kind {kind}")

    def error_of(
        self, flags: int, buffers: int, body: memoryview
    ) -> tuple[BaseException, BaseException | None]:
        """Return what a call raised; and what was raised here instead of making it, if it was."""
        try:
            if buffers:
                body, _ = self.payloads.views(flags, buffers, body)
        except BaseException as why:
            return refusals.lost_on_the_way(why), why
        return refusals.raised_there(body)

    def hand_on(
        self, call: Call[Any], value: Any, error: BaseException | None, ended: int, ran: int
    ) -> None:
        """Hand on the outcome of a call.

        Args:
            call, value, error: as `Calls.ended` takes them.
            ended: when it had run, on the clock of this process.
            ran: for how many nanoseconds.
        """
        call.worker = self.name
        call.began_ns = ended - ran
        call.ended_ns = ended
        self.answers += 1
        self.busy_ns += ran
        if self.account.record is not None:
            self.account.note_running(self.name, self.slot.sent, ended)
        self.calls.ended(call, value, error, perf_counter_ns())

    # For what is big.

    def send_again(self, call: Call[Any]) -> None:
        """Have another worker run a call that did not come to this one."""
        self.dispatch.queue.appendleft(call)

    def has_room(self) -> None:
        """Have calls sent: one that was on its way here has come, or never will."""
        if (owner := self._owner()) is not None:
            owner.go_on()
            owner.answers_read(self)

    def read(self) -> None:
        if (owner := self._owner()) is not None:
            owner.answers_read(self)

    def look(self) -> bool:
        """Look at what the worker is at; return whether to look again."""
        self.channel.look()
        if self.revoked:
            numbers, self.revoked = self.revoked, []
            settled = self.dispatch.settle(self.slot, numbers, self.began)
            for number in settled.taken_back:
                self.payloads.skipped(number)
            self.note_taken_back()
            for call in settled.dropped:
                self.calls.drop(call)
            if settled.interrupted is not None:
                self.interrupt(settled.interrupted)
        held_up = self.dispatch.held_up(self.slot, self.began, self.stalls())
        if held_up is not None:
            self.revoke(held_up.numbers)
        return bool(self.revoked) or len(self.slot.sent) > 1

    def note_taken_back(self) -> None:
        """Have it recorded that the worker runs none of the calls that it was sent."""
        if self.account.record is not None and not self.slot.sent:
            self.account.note_running(self.name, self.slot.sent, 0)

    # As a part of the pool.

    def statistics(self) -> WorkerStatistics:
        running = self.slot.sent.get(self.began)
        return WorkerStatistics(
            name=self.name,
            calls=self.answers,
            busy_s=self.busy_ns / 1e9,
            running=None if running is None else name_of(running.function),
        )

    def close(self) -> None:
        """Let go of all that it has here, also in another thread, when the loop is closed."""
        self.channel.close()
        self._close()

    def leave(self) -> None:
        """Let go of what a forked child has of it: it is its parent's."""
        self.channel.leave()
        self._close()

    def _close(self) -> None:
        self.dispatch.slots.pop(self.number, None)
        self.account.note_left(self.name)
        for timer in self.kills.values():
            timer.cancel()
        self.kills.clear()
        self.payloads.close()
        # They know this worker: a cycle, which only a collection of garbage would end.
        del self.payloads, self.known
