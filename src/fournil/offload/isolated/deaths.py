"""Death of a worker: why it ended, as far as that is known, and what is raised about it."""

from __future__ import annotations

import os
import signal

from fournil._worker.naming import name_of
from fournil.errors import WorkerDied


def kills_by_the_kernel() -> int | None:
    """Return how many processes the kernel killed for lack of memory; None: it does not tell."""
    try:
        with open("/proc/vmstat", "rb") as file:
            for line in file:
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
    except OSError:
        pass
    return None


ZOMBIE = "Z"
"""The state of a process that has ended, and whose parent has not asked how."""


STOPPED = "T"
"""The state of a process that a signal stopped, and another lets go on."""


def state_of(process: int) -> tuple[str, int]:
    """Return the state of a process, as proc(5) has it, and its parent; "?" where nobody tells."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name, in brackets, may hold spaces and brackets of its own.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return "?", 0
    return state.decode(), int(parent)


class Fate:
    """Reasons for the end of one worker; its loop's thread's alone.

    Args:
        worker: its name.

    Attributes:
        fault: why it was given up, as a sentence goes on that begins with the worker; None: it was
            not.
        cause: what was raised then.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._kills_before = kills_by_the_kernel()
        self.fault: str | None = None
        self.cause: Exception | None = None

    def death(self, process: int | None, function: object, status: int | None) -> WorkerDied:
        """Return what to raise about the worker's death.

        Args:
            process: its number; None: it never began.
            function: of the call that it ran; None: it was not ready for calls.
            status: as `os.wait` returns it; None: nobody knows.
        """
        if function is None:
            while_what = "before it was ready for calls"
        else:
            while_what = f"while it ran {name_of(function)}"
        who = f"{self._worker} (process {process})"
        if self.fault is not None:
            error = WorkerDied(f"{who} {self.fault} (it was killed {while_what})")
            error.__cause__ = self.cause
            return error
        if process is None:
            return WorkerDied(
                f"{self._worker} was not started: the process that was to start it has ended"
            )
        if status is None:
            how = "with the process that had started it"
            return WorkerDied(f"{who} was killed {while_what}, {how}")
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            error = WorkerDied(
                f"{who} ended itself with exit code {code} {while_what}: something there calls"
                " os._exit, or ends the process in C"
            )
            error.exit_code = code
            return error
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        reason = _reason(-code, self._kills_before)
        error = WorkerDied(f"{who} was killed by {name} {while_what}{reason}")
        error.signal = -code
        return error


def _reason(number: int, kills_before: int | None) -> str:
    if number == signal.SIGKILL:
        now = kills_by_the_kernel()
        if now is not None and kills_before is not None and now > kills_before:
            return (
                ": most likely by the kernel, for lack of memory (it has killed"
                f" {now - kills_before} since); use fewer workers, or smaller pieces"
            )
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE):
        return (
            ": C code there is at fault; `import faulthandler; faulthandler.enable()` in the"
            " pool's initializer shows where"
        )
    return ""
