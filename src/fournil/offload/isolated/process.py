"""A worker that is a process, as its pool sees it."""

from __future__ import annotations

import os
import signal
import socket
from errno import EBADF
from time import perf_counter_ns

from fournil._worker.own import own_pair
from fournil._worker.starting.reaper import DIED, ENDED, NOT_STARTED, REPORT, STARTED, TAKEN
from fournil.offload.isolated.deaths import STOPPED, ZOMBIE, state_of
from fournil.offload.isolated.worker import IsolatedWorker, Owner
from fournil.offload.watching import Watched

LEAVES_NS = 5_000_000_000
"""A worker that has nothing to do and was told to end has so long before it is killed."""


class WorkerProcess(IsolatedWorker):
    """One worker process; its reaper says when it began and how it ended."""

    def __init__(self, owner: Owner, number: int) -> None:
        self._is_alive = False  # and its number its own
        self._is_to_die = False  # as soon as it has begun
        self._is_orphan = False  # what had started it has ended
        self._looks_dead = False  # and nobody has told
        self._reports, self._their_reports = own_pair(socket.SOCK_SEQPACKET)
        try:
            self._reports.setblocking(False)
            super().__init__(owner, number)
            try:
                self._watched = Watched(self.loop, self._reports.fileno(), self._readable)
            except BaseException:
                super().close()
                raise
        except BaseException:
            self._close_reports()
            raise

    def their_descriptors(self) -> list[int]:
        if not self._their_reports.is_there():
            raise OSError(EBADF, os.strerror(EBADF))
        return [*super().their_descriptors(), self._their_reports.fileno()]

    def handed_over(self) -> None:
        super().handed_over()
        self._their_reports.close()

    # To the process.

    def signal(self, number: int) -> None:
        if not self._is_told_of():
            assert self.pid is not None
            try:
                os.kill(self.pid, number)
            except PermissionError:
                pass  # it has become another user's

    def _is_told_of(self) -> bool:
        """Return whether the process has not begun, or may have ended, for all that is known."""
        if not self._is_alive or not self._reports.is_there():
            return True
        try:
            # It is not waited for before this is told: while it is not, the number is its own.
            self._reports.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def kill(self) -> None:
        self._is_to_die = True
        self.signal(signal.SIGKILL)
        if not self._reports.is_there():
            # The reaper sees that too, and kills it.
            self.lose()

    def end_with_starter(self) -> None:
        self._is_orphan = True
        self.kill()

    def check(self) -> None:
        if not self._reports.is_there():
            self.channel.fail_as_closed()
            return
        super().check()
        if self._is_told_of():
            return
        assert self.pid is not None
        if self.is_overdue:
            self.kill()
            return
        state, parent = state_of(self.pid)
        if state == STOPPED and self.is_to_end:
            # What holds it up is of no use to anybody any more; a debugger's stop is another.
            self.signal(signal.SIGCONT)
        if state != ZOMBIE:
            return
        if self._looks_dead:
            self.lose()
            return
        self._looks_dead = True
        if parent > 1:
            # The reaper was stopped, unless it is about to tell.
            os.kill(parent, signal.SIGCONT)

    @property
    def is_to_end(self) -> bool:
        """Whether it is to end, or its pool waits for the end of its calls."""
        return not self.slot.open or self.calls.closed

    @property
    def is_overdue(self) -> bool:
        """Whether it was to end long ago, and has nothing to do."""
        return bool(self.finishing_ns) and (
            self.slot.is_idle and perf_counter_ns() - self.finishing_ns > LEAVES_NS
        )

    # From the reaper.

    def _readable(self) -> None:
        try:
            message = self._reports.recv(REPORT.size)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if len(message) < REPORT.size:
            self._lost()
            return
        kind, process, status = REPORT.unpack(message)
        match kind:
            case _ if kind == STARTED:
                self.pid = process
                self._is_alive = True
                if self._is_to_die:
                    self.kill()
            case _ if kind == DIED:
                self._is_alive = False
            case _ if kind == NOT_STARTED:
                if (owner := self._owner()) is not None:
                    owner.not_started(self.number, OSError(status, os.strerror(status)))
            case _ if kind == ENDED:
                self.has_ended(None if self._is_orphan else status)
            case _ if kind == TAKEN:
                self.has_ended(None)

    def _lost(self) -> None:
        """The reaper is dead, and the kernel kills the worker; or it was never begun."""
        self._watched.end()
        if self._is_alive:
            self._is_alive = False
            assert self.pid is not None
            try:
                os.kill(self.pid, signal.SIGKILL)  # sooner than the kernel
            except OSError:
                pass
        self.lose()

    def close(self) -> None:
        self._watched.end()
        self._close_reports()
        super().close()

    def leave(self) -> None:
        self._close_reports()
        self._watched.end_in_child()
        super().leave()

    def _close_reports(self) -> None:
        self._is_alive = False
        self._reports.close()
        self._their_reports.close()
