"""Reaper of one worker, its parent process: it says how the worker ended, and ends what a killed
one left.

Linux gives orphans to the nearest ancestor that asks for them (a "subreaper", see prctl(2)). So all
that a worker's calls had started comes to its reaper when its own parent has ended, in whatever
session or group it is, and however often it was forked. A group of the worker's own would not hold
what calls `setsid`, and no Ctrl-C would reach it.

What a worker leaves that ended by itself goes on, as it does under `multiprocessing`. When the
program or the forkserver ends, the reaper ends the worker with all that it had started.

It does nothing but wait, and has what it was forked with: the memory that both share.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
from struct import Struct

from fournil._worker.worker import ignore

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

REPORT = Struct("=Iii")
"""Kind, process, and a status as of `os.wait`, or an errno."""

STARTED = 1  # the process of the worker
NOT_STARTED = 2  # errno
DIED = 3  # its number may be another's from now on; what it left is being ended
ENDED = 4  # status; nothing of it is left
TAKEN = 5  # as ENDED, by the end of who had started it

# As prctl(2) has them.
DEATH_SIGNAL = 1
SUBREAPER = 36

ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that have a reaper end its worker; the first comes when the forkserver is dead."""

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def end_with(parent: int, number: int) -> None:
    """Have this process, which was just forked, sent a signal when its parent ends."""
    _prctl(DEATH_SIGNAL, number)
    if os.getppid() != parent:
        os._exit(1)  # it has ended before


def keep(
    reports: socket.socket, forkserver: int, work: Callable[[], object], descriptors: list[int]
) -> NoReturn:
    """Fork a worker and wait for its end, in a process that was just forked for that.

    Args:
        reports: where the program is told; it keeps messages apart.
        forkserver: the process that this one was forked from.
        work: is called in the worker, and does not return.
        descriptors: the worker's.
    """
    end_with(forkserver, ENDS[0])
    _prctl(SUBREAPER, 1)
    here = os.getpid()
    # The forkserver ignores it: what is ignored is not told.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        process = os.fork()
    except OSError as error:
        reports.send(REPORT.pack(NOT_STARTED, 0, error.errno or 0))
        os._exit(0)
    if process == 0:
        end_with(here, signal.SIGKILL)
        reports.close()
        work()
        os._exit(1)
    for descriptor in descriptors:
        os.close(descriptor)
    Reaper(reports, process).wait()


class Reaper:
    """State of the reaper, of which there is one in its process."""

    def __init__(self, reports: socket.socket, process: int) -> None:
        self.reports = reports
        self.process = process

    def wait(self) -> NoReturn:
        """Wait until the worker has ended, or is to end."""
        awake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        for number in (signal.SIGCHLD, *ENDS):
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, ignore)
        self.report(STARTED, 0)
        waits = select.poll()
        # Nothing is ever read there: what is waited for is that the other side is closed.
        waits.register(self.reports, 0)
        waits.register(awake, select.POLLIN)
        while True:
            # Before the first wait too: it may have ended before its end was heard of.
            self.look()
            for descriptor, _ in waits.poll():
                if descriptor != awake or not set(ENDS).isdisjoint(os.read(awake, 4096)):
                    self.end()

    def look(self) -> None:
        """Take note of children that have ended; end, if the worker is among them."""
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == self.process:
                self.ended(ENDED)
            os.waitpid(ended.si_pid, 0)  # what was left to it, while the worker works on

    def ended(self, kind: int) -> NoReturn:
        """Tell the end of the worker, which was not waited for yet, and end."""
        # While it is not waited for no other process has its number.
        self.report(DIED, 0)
        _, status = os.waitpid(self.process, 0)
        if os.WIFSIGNALED(status):
            end_children()
        self.report(kind, status)
        os._exit(0)

    def end(self) -> NoReturn:
        """End the worker and all that it had started."""
        os.kill(self.process, signal.SIGKILL)
        os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOWAIT)
        self.ended(TAKEN)

    def report(self, kind: int, status: int) -> None:
        try:
            self.reports.send(REPORT.pack(kind, self.process, status))
        except OSError:
            pass  # there is nobody any more


def end_children() -> None:
    """Kill all children, and theirs, which become children when their parents have ended."""
    others: set[int] = set()
    while found := children() - others:
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except PermissionError:
                others.add(process)  # it has become another user's, as by `sudo`
        for process in found - others:
            os.waitpid(process, 0)


def children() -> set[int]:
    """Return the children of this process, ended ones too; none where the system does not tell."""
    here = os.getpid()
    try:
        with open(f"/proc/self/task/{here}/children") as file:
            return set(map(int, file.read().split()))
    except OSError:
        pass  # not all kernels have it
    try:
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return set()
    return {number for number in numbers if parent_of(number) == here}


def parent_of(process: int) -> int:
    """Return the parent of a process; 0 if that has ended."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name, in brackets, may hold spaces and brackets of its own.
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
