"""Adaptive spin of a worker: whether it spins for its next call, or sleeps at once.

To wake a worker that sleeps takes a virtual machine's processor longer than all else that a short
call takes, on both sides. Where calls come one after the other, the next is there before a worker
has spun for long. Where they do not, the worker sleeps. One that spins offers its processor to
others between two looks, and where they take it, it sleeps too, for more and more calls.
"""

from __future__ import annotations

from time import perf_counter_ns

FEWEST = 16
MOST = 4096
"""So many waits are slept through once the processor was taken: twice as many each time, and one
less for each spin that was not in vain."""


class AdaptiveSpin:
    """Decision of one worker whether to spin before it sleeps; used by that worker alone.

    Args:
        soon_ns: how long the last wait was at most, where the worker spins in the next.

    Attributes:
        began_ns: when it began to wait last, on the clock of `time.perf_counter_ns`.
    """

    def __init__(self, soon_ns: int) -> None:
        self.soon_ns = soon_ns
        self.began_ns = 0
        self.waited_ns = soon_ns  # the last time
        self.to_sleep = 0  # waits that will be slept through
        self.to_sleep_next = FEWEST

    def begin(self) -> bool:
        """Begin to wait; return whether to spin before sleeping."""
        self.began_ns = perf_counter_ns()
        if self.waited_ns >= self.soon_ns:
            return False
        if self.to_sleep:
            self.to_sleep -= 1
            return False
        return True

    def found(self) -> None:
        """Note that a spin was not in vain."""
        self.to_sleep_next = max(FEWEST, self.to_sleep_next - 1)

    def disturbed(self) -> None:
        """Note that others took the processor from a worker that spun."""
        self.to_sleep = self.to_sleep_next
        self.to_sleep_next = min(MOST, 2 * self.to_sleep_next)

    def end(self) -> None:
        """Wait no more."""
        self.waited_ns = perf_counter_ns() - self.began_ns
