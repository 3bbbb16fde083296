"""A worker that is an interpreter of its own, in a thread of its parent's process."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading

from fournil._worker.ledger import INTERRUPT, Ledger
from fournil._worker.worker import Worker, flush_all, keep_lines_whole

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

LAST = 1 << 32
"""What is added to `pokes` when there will be no interruption any more."""


class InterpreterWorker(Worker):
    """One worker interpreter.

    No signal reaches an interpreter. A second thread of it waits to be poked, and raises the
    interruption in the first, as CPython lets threads do; it comes between two bytecodes. The lock
    keeps it from coming when the call has ended: who holds it sees whether the call runs still.

    Args:
        pokes: an eventfd, on which the parent asks for a look at what is to be interrupted.
    """

    settles = True

    def __init__(self, pokes: int, *args: Any) -> None:
        super().__init__(*args)
        self.pokes = pokes
        self.lock = threading.Lock()

    def heed_interrupts(self) -> None:
        threading.Thread(target=self.wait_for_pokes).start()

    def wait_for_pokes(self) -> None:
        while os.eventfd_read(self.pokes) < LAST:
            # The first import takes long.
            from asyncio import CancelledError

            with self.lock:
                current = self.current
                if current and self.interrupted != current and self.words[INTERRUPT] == current:
                    self.interrupted = current
                    raise_in(self.thread, CancelledError)
        os.close(self.pokes)

    def settle(self, number: int) -> None:
        with self.lock:
            if self.interrupted == number:
                # If it is on its way still, it is taken back, or comes here.
                raise_in(self.thread, None)

    def lost(self) -> None:
        """Go on: that calls come no more is seen where they are read."""


def raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have an exception raised in a thread of this interpreter; None: have none raised."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def work(name: str, stream: int, side: int, ledger: int, pokes: int, setup: dict[str, Any]) -> None:
    """Be a worker, until the parent wants no more of it; the descriptors are this worker's own."""
    sys.path[:] = setup["path"]
    sys.argv[:] = setup["argv"]
    keep_lines_whole()
    made = Ledger(ledger)
    made.close_descriptor()
    with socket.socket(fileno=stream) as calls, socket.socket(fileno=side) as beside:
        try:
            InterpreterWorker(pokes, name, calls, beside, made, setup).serve()
        finally:
            os.eventfd_write(pokes, LAST)
            flush_all()
