"""Tells a signal for the whole process group from a signal for the supervisor alone.

A signal for the group (`kill %1`, `killpg`, a service manager's stop) has reached the program
already; passed on, it would reach it twice, and a second Ctrl-C means something else than
the first. One for the supervisor alone (`kill PID`) has to be passed on. What the kernel says
about a signal is the same for both. So a third process, the lookout, stands in the group and
lets every signal wait: one that waits there as well was for the group.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from typing import Self

EVERY_SIGNAL = signal.valid_signals()
STOP_SIGNALS = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})


class Lookout:
    """A process in our group in which every signal stays pending.

    Its maker must have blocked all signals. It outlives a maker that is killed by SIGKILL,
    and so can do what then nobody else can.

    Args:
        widowed: called in the lookout's process when the maker died without `close`.

    Raises:
        OSError: there is no room for another process, or for its descriptors.
    """

    def __init__(self, widowed: Callable[[], None]) -> None:
        self._widowed = widowed
        self._pid, self._writing = self._start()

    def _start(self) -> tuple[int, int]:
        """Return a new process, and the descriptor whose closing ends it."""
        reading, writing = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if pid == 0:
            try:
                # The maker now has the only writing end, which ends with it.
                os.close(writing)
                os.read(reading, 1)
                self._widowed()
            finally:
                os._exit(0)
        os.close(reading)
        return pid, writing

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._writing)

    def saw(self, number: int) -> bool:
        """Tell whether a signal that we just received was for the group."""
        # The kernel signals the youngest of a group first, and we are the oldest.
        pending = self._pending()
        if not pending >> (number - 1) & 1:
            # A later SIGCONT takes away the stop signals that wait, and these a SIGCONT. The
            # later of two has the say, and it was for the group.
            return any(pending >> (other - 1) & 1 for other in _takes_away(number))
        # What waits there would be taken for the next signal of this number as well, and only
        # a process itself can take its signals: another one replaces it, where there is room.
        with contextlib.suppress(OSError):
            another = self._start()
            self.close()
            self._pid, self._writing = another
        return True

    def _pending(self) -> int:
        try:
            with open(f"/proc/{self._pid}/status", encoding="ascii", errors="replace") as status:
                return next(int(line[7:], 16) for line in status if line.startswith("ShdPnd:"))
        except OSError:
            return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _takes_away(number: int) -> Iterable[int]:
    if number in STOP_SIGNALS:
        return {signal.SIGCONT}
    return STOP_SIGNALS if number == signal.SIGCONT else ()
