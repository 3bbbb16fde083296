"""Engine of a pool: it sends calls to workers, and takes back those that are held up."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from time import perf_counter_ns
from typing import Any

from fournil._worker.control_block import COUNTS, SETTLED_S
from fournil._worker.pickling.variables import values_of
from fournil.offload.account import Account
from fournil.offload.call import Call
from fournil.offload.calls import Calls
from fournil.offload.isolated.dispatch import HEAVY, Slot
from fournil.offload.isolated.functions import Functions
from fournil.offload.isolated.supervisor import Options, Supervisor
from fournil.offload.isolated.worker import IsolatedWorker

SELDOM_LOOK_S = 0.016
"""While nothing changes, workers are looked at less and less often, down to so."""


class Engine(Supervisor):
    """Workers of one pool, and the calls that are with them; its loop's thread's alone."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, calls: Calls, account: Account, options: Options
    ) -> None:
        super().__init__(loop, calls, account, options)
        self.functions = Functions(partial(_forget, weakref.ref(self)))
        self._pumps = False  # `pump` is called soon
        self._looks: asyncio.TimerHandle | None = None  # `_look` will be called
        self._look_s = SETTLED_S  # so long after it was last asked for

    # For the pool.

    def submit(self, call: Call[Any]) -> None:
        """Have a worker run a call; raise what makes that impossible."""
        if self.broken is not None:
            raise self.broken()
        options = self.options
        if options.context_vars:
            call.values = values_of(options.context_vars)
        if len(self.calls.in_flight) >= len(self.live) < options.workers:
            self.grow()
        if not self.checks.is_due:
            self.checks.begin()
        dispatch = self.dispatch
        if self._pumps:
            dispatch.queue.append(call)
            return
        slot = None if dispatch.queue else dispatch.idle_slot()
        if slot is not None:
            self._send(slot, call)
        else:
            dispatch.queue.append(call)
            self._pump_later()

    def cancel(self, call: Call[Any]) -> None:
        """Do what can be done about a call that was taken."""
        for worker in self.live.values():
            for number, sent in worker.slot.sent.items():
                if sent is call:
                    worker.stop_call(number)
                    self.look_soon()
                    return
        try:
            self.dispatch.queue.remove(call)
        except ValueError:
            return  # memory is being filled for it: then it is dropped
        self.calls.drop(call)

    def waiting(self) -> int:
        """Return how many calls have not begun."""
        waiting = list(self.dispatch.queue)
        for worker in self.live.values():
            began = worker.began
            waiting += [call for number, call in worker.slot.sent.items() if number > began]
        return sum(not call.done() and not call.cancelling for call in waiting)

    def follow_recorder(self) -> None:
        """Have workers count what they use of the CPU while a recorder is on."""
        for worker in self.live.values():
            worker.words[COUNTS] = self.account.record is not None

    # Calls.

    def _send(self, slot: Slot[Call[Any]], call: Call[Any]) -> None:
        """Send a worker with nothing to do a call, before any other comes."""
        worker = self.live[slot.number]
        records: list[bytes] = []
        try:
            worker.encode(call, records)
        finally:
            if records:
                worker.channel.write(records[0] if len(records) == 1 else b"".join(records))
        # Until the next time a function may find something else than it did.
        self.functions.end_turn()

    def _pump_later(self) -> None:
        if not self._pumps:
            self._pumps = True
            self.loop.call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._pumps = False
        self.pump()

    def pump(self) -> None:
        dispatch = self.dispatch
        queue = dispatch.queue
        sends = False
        while queue:
            slot = dispatch.next_slot()
            if slot is None:
                break
            worker = self.live[slot.number]
            share = -(-len(queue) // len(dispatch.slots))
            sends = True
            records: list[bytes] = []
            try:
                for _ in range(min(dispatch.room(slot), share)):
                    if slot.heavy >= HEAVY:
                        break
                    worker.encode(queue.popleft(), records)
            except BaseException:
                # A signal's handler raised, in code of the program: what is left is sent later.
                self._pump_later()
                raise
            finally:
                if records:
                    worker.channel.write(b"".join(records))
        # Until the next time a function may find something else than it did.
        self.functions.end_turn()
        if queue and len(self.live) < self.options.workers:
            self.replace()
        if (sends or self._looks is None) and any(
            len(slot.sent) > 1 for slot in dispatch.slots.values()
        ):
            self.look_soon()

    # For workers.

    def answers_read(self, worker: IsolatedWorker) -> None:
        """Send a worker more, or have it end: it has answered calls."""
        slot = worker.slot
        if not slot.sent and not slot.loading:
            idle_timeout = self.options.idle_timeout
            if not slot.open or self.stopped:
                worker.finish()
            elif idle_timeout is not None:
                worker.idle_since = perf_counter_ns()
                self.shrink_later(idle_timeout)
            if self._looks is not None:
                self.look_soon()  # it may take over what is held up
        if self.dispatch.queue:
            self.pump()

    def look_soon(self) -> None:
        """Look at workers in a millisecond."""
        if self._looks is not None:
            if self._look_s <= SETTLED_S:
                return
            self._looks.cancel()
        self._look_in(SETTLED_S)

    def _look_in(self, seconds: float) -> None:
        self._look_s = seconds
        self._looks = self.later(seconds, self._look)

    def _look(self) -> None:
        """See what workers are at, and take back what is held up."""
        self._looks = None
        again = False
        for worker in list(self.live.values()):
            again |= worker.look()
        if again and self._looks is None:
            settles = any(worker.revoked for worker in self.live.values())
            self._look_in(SETTLED_S if settles else min(2 * self._look_s, SELDOM_LOOK_S))
        self._grow_for_stalled()
        if self.dispatch.queue:
            self.pump()

    def _grow_for_stalled(self) -> None:
        """Start a worker for calls of one that begins none, where no other is there for them.

        One that is not ready yet may be importing, as another would.
        """
        if len(self.live) >= self.options.workers or self.stopped or self.broken is not None:
            return
        stall = any(worker.ready and worker.stalls() for worker in self.live.values())
        if stall and self.dispatch.idle_slot() is None:
            before = self.started
            self.grow()
            if self.started > before:
                self.look_soon()


def _forget(held: weakref.ref[Engine], number: int, soon: bool) -> None:
    engine = held()
    if engine is not None:
        for worker in engine.live.values():
            worker.forget(number, soon)
