"""A worker that is an interpreter of its own, in a thread of its parent's process."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import threading

from fournil._worker.control_block import INTERRUPT, ControlBlock
from fournil._worker.own import OwnSocket
from fournil._worker.worker import Worker, flush_all, keep_lines_whole

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any


class Stream(OwnSocket):
    """Stream of calls, read by its number as long as the number is its own.

    Unlike a process, an interpreter has its descriptors where code of the program closes them, and
    the next worker gets the numbers: it would miss what another reads there.
    """

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        return super().recv_into(buffer, nbytes, flags) if self.is_there() else 0


class InterpreterWorker(Worker):
    """One worker interpreter.

    No signal reaches an interpreter. A second thread of it waits to be interrupted, and raises the
    interruption in the first, as CPython lets threads do; it comes between two bytecodes. The lock
    keeps it from coming when the call has ended: who holds it sees whether the call runs still.

    Args:
        interrupts: a socket, by which the parent asks for a look at what is to be interrupted,
            until no more can come.
    """

    settles = True

    def __init__(self, interrupts: OwnSocket, *args: Any) -> None:
        super().__init__(*args)
        self.interrupts = interrupts
        self.lock = threading.Lock()

    def heed_interrupts(self) -> None:
        threading.Thread(target=self.wait_for_interrupts).start()

    def wait_for_interrupts(self) -> None:
        while self.is_asked():
            # The first import takes long.
            from asyncio import CancelledError

            with self.lock:
                current = self.current
                if current and self.interrupted != current and self.words[INTERRUPT] == current:
                    self.interrupted = current
                    raise_in(self.thread, CancelledError)
        self.interrupts.close()

    def is_asked(self) -> bool:
        """Wait to be interrupted; return False when that will not be any more."""
        try:
            return self.interrupts.is_there() and bool(self.interrupts.recv(64))
        except OSError:
            return False

    def settle(self, number: int) -> None:
        with self.lock:
            if self.interrupted == number:
                # If it is on its way still, it is taken back, or comes here.
                raise_in(self.thread, None)


def raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Have an exception raised in a thread of this interpreter; None: have none raised."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def work(number: int, descriptors: list[int], told: dict[str, Any]) -> None:
    """Be a worker, until the parent wants no more of it.

    Args:
        number: the worker's.
        descriptors: of its stream, its side, its control block, and of what it is interrupted by;
            its own.
        told: what all workers need to know.
    """
    sys.argv[:] = told["argv"]
    keep_lines_whole()
    stream, side, memory, interrupted = descriptors
    control_block = ControlBlock(memory)
    os.close(memory)
    interrupts = OwnSocket(interrupted)
    with Stream(stream) as calls, OwnSocket(side) as beside:
        try:
            name = f"{told['name']} {number}"
            InterpreterWorker(interrupts, name, calls, beside, control_block, told).serve()
        finally:
            if interrupts.is_there():
                interrupts.shutdown(socket.SHUT_RD)
            flush_all()
