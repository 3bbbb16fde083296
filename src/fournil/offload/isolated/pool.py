"""What pools have in common whose workers share no objects with their program."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from time import perf_counter_ns
from typing import Any

from fournil._worker.control_block import COUNTS, SETTLED_S, WINDOW
from fournil._worker.handlers import pass_on
from fournil._worker.packing import pack
from fournil._worker.refusing import refusal
from fournil._worker.variables import values_of
from fournil.offload.arguments import at_least_one, number_of_seconds
from fournil.offload.call import Call
from fournil.offload.isolated.dispatch import HEAVY, Dispatch, Slot
from fournil.offload.isolated.functions import Functions
from fournil.offload.isolated.supervisor import SOON_S, SupervisingPool
from fournil.offload.isolated.worker import IsolatedWorker


class IsolatedPool(SupervisingPool):
    """A pool whose workers are reached through a channel each, by what is pickled.

    A kind of pool provides `_make_starter`, and `_make_worker` where its workers are not ended and
    interrupted as processes are.

    Args:
        workers: how many workers at most, started as they are needed; as many as processors unless
            given.
        initializer: called once in each worker before its calls; what it returns is what
            `fournil.worker_state` returns there.
        initargs: its arguments.
        context_vars: context variables whose values go with each call.
        max_tasks_per_child: how many calls a worker runs before another takes its place.
        idle_timeout: after how many seconds with nothing to do a worker ends; None: never.
        grace: how many seconds an interrupted call has before its worker is killed.
        name: what the workers' names begin with.
    """

    def __init__(
        self,
        workers: int | None,
        *,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
        context_vars: Iterable[ContextVar[Any]],
        max_tasks_per_child: int | None,
        idle_timeout: float | None,
        grace: float,
        name: str,
    ) -> None:
        super().__init__(
            len(os.sched_getaffinity(0)) if workers is None else workers,
            Dispatch(WINDOW, at_least_one("max_tasks_per_child", max_tasks_per_child)),
            idle_timeout,
        )
        number_of_seconds("grace", grace)
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer is a function, got {initializer!r}")
        self.initializer = initializer
        self.initargs = tuple(initargs)
        self.context_vars = tuple(context_vars)
        self.grace = grace
        self.name = name
        # All of it is the loop's thread's alone.
        self._functions = Functions(partial(_forget, weakref.ref(self)))
        self._pumps = False  # `_pump` is called soon
        self._looks = False  # `_look` is called in a millisecond

    # As a kind of pool.

    def _start(self) -> None:
        given = (self.initializer, self.initargs)
        try:
            self._first = pack(given) if self.initializer is not None else (b"", [])
        except BaseException as why:
            pass_on(why)
            raise refusal("the initializer", given, why) from why
        # What makes it impossible is told at once.
        self._have_starter()

    def _submit(self, call: Call[Any]) -> None:
        if self._broken is not None:
            raise self._broken()
        if self.context_vars:
            call.values = values_of(self.context_vars)
        if len(self._in_flight) >= len(self._live) < self.workers:
            self._grow()
        if not self._is_checked:
            self._check_later(SOON_S)
        if self._pumps:
            self._dispatch.queue.append(call)
            return
        slot = None if self._dispatch.queue else self._dispatch.idle_slot()
        if slot is not None:
            self._send(slot, call)
        else:
            self._dispatch.queue.append(call)
            self._pump_later()

    def _send(self, slot: Slot[Call[Any]], call: Call[Any]) -> None:
        """Send a worker with nothing to do a call, before any other comes."""
        worker = self._live[slot.number]
        records: list[bytes] = []
        try:
            worker.encode(call, records)
        finally:
            if records:
                worker.channel.write(records[0] if len(records) == 1 else b"".join(records))
        # Until the next time a function may find something else than it did.
        self._functions.end_turn()

    def _pump_later(self) -> None:
        if not self._pumps:
            self._pumps = True
            assert self._loop is not None
            self._loop.call_soon(self._pump_soon)

    def _pump_soon(self) -> None:
        self._pumps = False
        self._pump()

    def _cancel(self, call: Call[Any]) -> None:
        for worker in self._live.values():
            for number, sent in worker.slot.sent.items():
                if sent is call:
                    worker.stop_call(number)
                    self._look_soon()
                    return
        try:
            self._dispatch.queue.remove(call)
        except ValueError:
            return  # memory is being filled for it: then it is dropped
        self._drop(call)

    def _waiting(self) -> int:
        waiting = list(self._dispatch.queue)
        for worker in self._live.values():
            began = worker.began
            waiting += [call for number, call in worker.slot.sent.items() if number > began]
        return sum(not call.done() and not call.cancelling for call in waiting)

    def _follow_recorder(self) -> None:
        super()._follow_recorder()
        for worker in self._live.values():
            worker.words[COUNTS] = self._record is not None

    def _setup(self) -> dict[str, Any]:
        """Return what all workers need to know of this process."""
        return {
            "path": _texts(sys.path),
            "argv": _texts(getattr(sys, "argv", ())),
            "name": str(self.name),
            "levels": _levels(),
            "most_memory": None,
        }

    # Calls.

    def _pump(self) -> None:
        """Send calls to workers, as many as they are to have."""
        dispatch = self._dispatch
        queue = dispatch.queue
        while queue:
            slot = dispatch.next_slot()
            if slot is None:
                break
            worker = self._live[slot.number]
            share = -(-len(queue) // len(dispatch.slots))
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
        self._functions.end_turn()
        if queue and len(self._live) < self.workers:
            self._replace()
        if any(len(slot.sent) > 1 for slot in dispatch.slots.values()):
            self._look_soon()

    def _answers_read(self, worker: IsolatedWorker) -> None:
        slot = worker.slot
        if not slot.sent and not slot.loading:
            if not slot.open or self._stopped:
                worker.finish()
            elif self.idle_timeout is not None:
                worker.idle_since = perf_counter_ns()
                self._shrink_later(self.idle_timeout)
        if self._dispatch.queue:
            self._pump()

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            self._later(SETTLED_S, self._look)

    def _look(self) -> None:
        """See what workers are at, and take back what is held up."""
        self._looks = False
        again = False
        for worker in list(self._live.values()):
            again |= worker.look()
        self._grow_for_stalled()
        if self._dispatch.queue:
            self._pump()
        if again:
            self._look_soon()

    def _grow_for_stalled(self) -> None:
        """Start a worker for calls of one that begins none, where no other is there for them.

        One that is not ready yet may be importing, as another would.
        """
        if len(self._live) >= self.workers or self._stopped or self._broken is not None:
            return
        stall = any(worker.ready and worker.stalls() for worker in self._live.values())
        if stall and self._dispatch.idle_slot() is None:
            before = self._started
            self._grow()
            if self._started > before:
                self._look_soon()


def _forget(held: weakref.ref[IsolatedPool], number: int, soon: bool) -> None:
    pool = held()
    if pool is not None:
        for worker in pool._live.values():
            worker.forget(number, soon)


def _texts(values: Iterable[object]) -> list[str]:
    """Return the texts among values, each of which may be of a class of its own."""
    return [str.__str__(value) for value in values if isinstance(value, str)]


def _levels() -> dict[str, int]:
    logging = sys.modules.get("logging")
    if logging is None:
        return {}
    from fournil._worker.logs import levels

    return {str(name): int(level) for name, level in levels().items()}
