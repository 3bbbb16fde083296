"""Where pools, which work on any event loop, and loops find the recorder that is on, or to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class PoolRecord(Protocol):
    """The recorder's side of one pool.

    All of it belongs to the thread of the pool's loop; what workers run may be told by any thread,
    of each worker by one.
    """

    def queued(self) -> int:
        """A call is given to the pool; return the subject of the step that does so."""

    def ended(
        self,
        function: object,
        worker: str | None,
        subject: int,
        state: int,
        times: tuple[int, int, int, int, int],
        bytes_out: int,
        bytes_back: int,
    ) -> None:
        """A call has come to its end.

        Args:
            function: what was called.
            worker: who ran it; None: nobody did.
            subject: what `queued` returned.
            state: one of kinds.CALL_*.
            times: when it was queued, sent, begun, ended and received, as in layout.CALL.
            bytes_out, bytes_back: of its arguments and of its outcome.
        """

    def began(self, worker: str, function: object, since_ns: int) -> None:
        """A worker has begun a call, or has begun it by then as far as is known.

        Args:
            worker: its name.
            function: what it calls.
            since_ns: when, as of CLOCK_MONOTONIC.
        """

    def idle(self, worker: str) -> None:
        """A worker has ended what it ran, and runs nothing."""

    def left(self, worker: str) -> None:
        """A worker has ended."""

    def used(self, cpu_ns: int) -> None:
        """The pool's workers used the CPU for so long, since this was last told."""

    def close(self) -> None:
        """The pool has ended."""


is_run = False
"""Whether `fournil run` records this process, and a recorder of the program's is one too many."""

late: Callable[[], None] | None = None
"""Begins a recording, before the first run of a loop. Called and written with the GIL held."""


class ThreadRecord(Protocol):
    """The recorder's side of a thread that runs calls; all of it belongs to that thread."""

    def begin(self, function: object) -> None:
        """The thread begins to run a function: the watch may look at it from now on."""

    def end(self) -> None:
        """The function has ended."""

    def close(self) -> None:
        """The thread runs no more functions."""


changes = 0
"""How often what follows was written: who remembers this keeps no recording."""

open_thread: Callable[[str], ThreadRecord] | None = None
"""Begins the record of the thread that calls, by its name.

None while no recorder is on that was asked to watch threads. Written as `open_pool` is.
"""

open_pool: Callable[[str, str, int], PoolRecord] | None = None
"""Begins the record of a pool: its class, what its workers are called, how many there are.

None while no recorder is on. Written by the recorder with the GIL held; a pool begins anew when it
finds that `changes` has grown.
"""
