"""How a worker waits for its next call: it looks for one that will come soon, or sleeps."""

from __future__ import annotations

import os
import socket
from time import perf_counter_ns

from fournil._worker.patience import Patience

LOOKING_NS = 150_000
"""It looks for so long: its parent has to be woken meanwhile, and to call again."""

TAKEN_NS = 50_000
"""A look that takes longer was interrupted: somebody else had the processor."""


class Inlet:
    """The end at which a worker receives; its main thread's alone."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.patience = Patience(LOOKING_NS)

    def receive(self, room: memoryview) -> int:
        """Wait for what the parent sends; return how many bytes came, 0 when no more will."""
        try:
            if self.patience.begin() and (count := self.look(room)):
                return count
            return self.stream.recv_into(room)
        except OSError:
            return 0  # the other side is gone, or code of this process has closed this one
        finally:
            self.patience.end()

    def look(self, room: memoryview) -> int:
        """Return how many bytes came while this looked; 0 if none did."""
        began = now = self.patience.began_ns
        while now - began < LOOKING_NS:
            try:
                count = self.stream.recv_into(room, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                os.sched_yield()
            else:
                self.patience.found()
                return count
            before, now = now, perf_counter_ns()
            if now - before > TAKEN_NS:
                self.patience.disturbed()
                break
        return 0
