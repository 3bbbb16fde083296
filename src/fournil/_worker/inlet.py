"""How a worker waits for its next call: it looks for one that will come soon, or sleeps.

To wake one that sleeps takes a virtual machine's processor longer than all else that a short call
takes, on both sides. Where calls come one after the other, the next is there before a worker has
looked for long. Where they do not, it sleeps. It offers its processor to others between two looks,
and where they take it, it sleeps too, for more and more calls.
"""

from __future__ import annotations

import os
import socket
from time import perf_counter_ns

LOOKING_NS = 150_000
"""A worker looks for so long, if it did not wait longer the last time."""

TAKEN_NS = 50_000
"""A look that takes longer was interrupted: somebody else had the processor."""

FEWEST = 16
MOST = 4096
"""So many waits are slept through once the processor was taken: twice as many each time, and one
less for each look that found a call."""


class Inlet:
    """The end at which a worker receives; its main thread's alone."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.waited_ns = LOOKING_NS  # the last time
        self.to_sleep = 0  # waits that will be slept through
        self.to_sleep_next = FEWEST

    def receive(self, room: memoryview) -> int:
        """Wait for what the parent sends; return how many bytes came, 0 when no more will."""
        began = perf_counter_ns()
        try:
            if self.waited_ns < LOOKING_NS:
                if self.to_sleep:
                    self.to_sleep -= 1
                elif count := self.look(room, began):
                    return count
            return self.stream.recv_into(room)
        except ConnectionError:
            return 0
        finally:
            self.waited_ns = perf_counter_ns() - began

    def look(self, room: memoryview, began: int) -> int:
        """Return how many bytes came while this looked; 0 if none did."""
        now = began
        while now - began < LOOKING_NS:
            try:
                count = self.stream.recv_into(room, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                os.sched_yield()
            else:
                self.to_sleep_next = max(FEWEST, self.to_sleep_next - 1)
                return count
            before, now = now, perf_counter_ns()
            if now - before > TAKEN_NS:
                self.to_sleep = self.to_sleep_next
                self.to_sleep_next = min(MOST, 2 * self.to_sleep_next)
                break
        return 0
