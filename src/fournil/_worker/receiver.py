"""Receiver of a worker: it spins for a call that will come soon, or sleeps."""

from __future__ import annotations

import os
import socket
from time import perf_counter_ns

from fournil._worker.adaptive_spin import AdaptiveSpin

SPIN_NS = 150_000
"""A worker spins for so long: its parent has to be woken meanwhile, and to call again."""

TAKEN_NS = 50_000
"""A look that takes longer was interrupted: somebody else had the processor."""


class Receiver:
    """End of the channel at which a worker receives; its main thread's alone."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.spin = AdaptiveSpin(SPIN_NS)

    def receive(self, room: memoryview) -> int:
        """Wait for what the parent sends; return how many bytes came, 0 when no more will."""
        try:
            if self.spin.begin() and (count := self.look(room)):
                return count
            return self.stream.recv_into(room)
        except OSError:
            return 0  # the other side is gone, or code of this process has closed this one
        finally:
            self.spin.end()

    def look(self, room: memoryview) -> int:
        """Return how many bytes came while the worker spun; 0 if none did."""
        began = now = self.spin.began_ns
        while now - began < SPIN_NS:
            try:
                count = self.stream.recv_into(room, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                os.sched_yield()
            else:
                self.spin.found()
                return count
            before, now = now, perf_counter_ns()
            if now - before > TAKEN_NS:
                self.spin.disturbed()
                break
        return 0
