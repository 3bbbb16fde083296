"""Account of a pool: how its calls ended, and what a recorder is told of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fournil.record import hook

if TYPE_CHECKING:
    from fournil.offload.call import Call

LOOK_AT_CPU_NS = 10_000_000
"""The CPU time of workers is read at most so often while their pool is recorded."""


class Account:
    """Figures of one pool; its loop's thread's alone.

    Args:
        cpu_ns: a method that returns how long the workers used the CPU for calls so far.

    Attributes:
        done, failed, refused, cancelled, abandoned: counts of calls, as in `PoolStatistics`.
        record: the recorder's side of the pool; None while none is on.
        followed: `hook.changes` when `record` was begun, or was not.
    """

    def __init__(self, cpu_ns: weakref.WeakMethod[Callable[[], int]]) -> None:
        self._cpu_ns = cpu_ns
        self.done = self.failed = self.refused = self.cancelled = self.abandoned = 0
        self.record: hook.PoolRecord | None = None
        self.followed = 0
        self._cpu_noted_ns = self._cpu_looked_ns = 0

    @property
    def ended(self) -> int:
        """Count of calls of which nothing more is to come but what was abandoned."""
        return self.done + self.failed + self.refused + self.cancelled

    def follow_recorder(self, kind: str, name: str, workers: int) -> None:
        """Begin to be recorded, or be so no more: a recording began or ended."""
        self.followed = hook.changes
        opened = hook.open_pool
        self.record = opened and opened(kind, name, workers)
        self._cpu_noted_ns = self._cpu_so_far()

    def note(self, call: Call[Any], state: int) -> None:
        """Have a call recorded that has come to its end."""
        if self.record is None or hook.changes != self.followed:
            return
        times = call.queued_ns, call.sent_ns, call.began_ns, call.ended_ns, call.received_ns
        if call.received_ns - self._cpu_looked_ns > LOOK_AT_CPU_NS:
            self._cpu_looked_ns = call.received_ns
            self.note_cpu()
        self.record.ended(
            call.function, call.worker, call.subject, state, times, call.bytes_out, call.bytes_back
        )

    def note_running(self, worker: str, sent: Mapping[int, Call[Any]], since_ns: int) -> None:
        """Have recorded which call a worker runs: the first of those that it was sent, if any."""
        if self.record is None:
            return
        running = next(iter(sent.values()), None)
        if running is None:
            self.record.idle(worker)
        else:
            self.record.began(worker, running.function, since_ns)

    def note_left(self, worker: str) -> None:
        """Have recorded that a worker has ended."""
        if self.record is not None:
            self.record.left(worker)

    def note_cpu(self) -> None:
        """Have recorded what the workers used of the CPU since this was last done."""
        if self.record is not None:
            before, self._cpu_noted_ns = self._cpu_noted_ns, self._cpu_so_far()
            self.record.used(max(0, self._cpu_noted_ns - before))

    def close(self) -> None:
        """Have the recorder told that the pool has ended."""
        if self.record is not None:
            self.record.close()
            self.record = None

    def _cpu_so_far(self) -> int:
        cpu_ns = self._cpu_ns()
        return 0 if cpu_ns is None else cpu_ns()
