"""Starts the program's process, passes signals on, waits for it, and ends as it ended.

While the program runs, each signal of the supervisor is blocked and taken by `sigwaitinfo`,
which says where it came from. What the terminal sends reaches each process of the group, so
the program has it already; what is sent to the supervisor alone is passed on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from fournil.launch import environment
from fournil.launch.ending import Ending
from fournil.launch.group import EVERY_SIGNAL, STOP_SIGNALS, Lookout
from fournil.launch.order import CANNOT_RUN
from fournil.launch.room import Room

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
SI_KERNEL = 0x80

_prctl = ctypes.CDLL(None).prctl
_prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]


@contextlib.contextmanager
def signals_blocked() -> Iterator[set[int]]:
    """Block every signal meanwhile; the value is the set of those that were blocked before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, EVERY_SIGNAL)
    try:
        yield mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def supervise(
    command: list[str],
    mask: Iterable[int],
    ending: Ending,
    room: Room | None = None,
    *,
    widowed: Callable[[], None],
) -> int:
    """Run a command in a child process and return its wait status.

    Called with every signal blocked, and so still at its end: a handler that raises must not
    come between the end of the child and what is known of it. The child has our process
    group, terminal, open files and environment, and dies with us.

    Args:
        command: the path of an executable, then its arguments.
        mask: the signals that are blocked in the child.
        ending: told when the child lets go of its recording, and ends; closed in the end.
        room: of the recordings of the child's own children, to be looked after meanwhile.
        widowed: called, in another process, if we are killed by SIGKILL meanwhile.

    Raises:
        OSError: there is no room for another process, or for its descriptors.
    """
    # Where SIGCHLD is ignored, the kernel throws a child's status away.
    on_child = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        # In this order: a signal that finds the lookout in the group has found the child too.
        child = _spawn(command, mask, on_child)
        try:
            lookout = Lookout(widowed)
        except OSError:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        with lookout:
            return _wait(child, lookout, ending, room)
    finally:
        ending.close()
        # A Ctrl-C that ended the program is still pending here, and was meant for it.
        while signal.sigtimedwait(EVERY_SIGNAL, 0):
            pass
        signal.signal(signal.SIGCHLD, on_child)


def end_as(status: int) -> NoReturn:
    """End this process as the one ended whose wait status this is."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # none, gone, closed
            stream.flush()
    if os.WIFSIGNALED(status):
        _die_of(os.WTERMSIG(status))
    # The interpreter would end with a status of its own where a stream is gone.
    os._exit(os.waitstatus_to_exitcode(status))


def _die_of(number: int) -> NoReturn:
    # The program has left its core where cores go; ours would replace it.
    _prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    # The first process of a container gets no signal that it does not handle.
    os._exit(128 + number)


def _spawn(command: list[str], mask: Iterable[int], on_child: Any) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        # Kept across exec. The parent may have died before this.
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(CANNOT_RUN)
        signal.signal(signal.SIGCHLD, on_child)
        # Our handlers would take a signal that the new program then never sees.
        for number in EVERY_SIGNAL:
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execve(command[0], command, environment.of_child(parent))
    except OSError as error:
        told = f"fournil: cannot run {command[0]}: {error.strerror}\n"
        with contextlib.suppress(OSError):
            os.write(2, told.encode(errors="backslashreplace"))
    finally:
        os._exit(CANNOT_RUN)


def _wait(child: int, lookout: Lookout, ending: Ending, room: Room | None) -> int:
    told_to_stop = False
    while True:
        seconds = room.look_after() if room is not None else None
        for number in _take_signals(child, lookout, ending, seconds):
            told_to_stop = (told_to_stop or number in STOP_SIGNALS) and number != signal.SIGCONT
        # One that ends after this look is looked at again: until then it is not waited for.
        if ending.ended(child):
            return os.waitpid(child, 0)[1]
        stopped = os.waitid(os.P_PID, child, os.WSTOPPED | os.WNOHANG)
        # The shell that waits for us must see that the program stopped. But who stops one
        # process by SIGSTOP also continues that one alone, and we would sleep for ever.
        if stopped and (told_to_stop or stopped.si_status != signal.SIGSTOP):
            _stop(stopped.si_status)


def _take_signals(
    child: int, lookout: Lookout, ending: Ending, seconds: float | None
) -> Iterator[int]:
    """Wait for a signal; take all that are there, and pass on those for the program.

    The kernel hands out the lowest number first: that the program stopped may be told before
    the keystroke that stopped it.
    """
    received: signal.struct_siginfo | None
    if seconds is None:
        received = signal.sigwaitinfo(EVERY_SIGNAL)
    else:
        received = signal.sigtimedwait(EVERY_SIGNAL, seconds)
    while received is not None:
        number = received.si_signo
        if number == ending.SIGNAL and received.si_code == SI_KERNEL:
            ending.dropped(child)
        elif number != signal.SIGCHLD and _is_for_the_program(received, child, lookout):
            # A program of another user's may take signals from that user alone.
            with contextlib.suppress(PermissionError):
                os.kill(child, number)
        yield number
        received = signal.sigtimedwait(EVERY_SIGNAL, 0)


def _is_for_the_program(received: signal.struct_siginfo, child: int, lookout: Lookout) -> bool:
    in_group = lookout.saw(received.si_signo) or received.si_code == SI_KERNEL
    if in_group and os.getpgid(child) != os.getpgrp():
        # `os.setpgrp` takes a program out of our group. Started by a shell, it would lead its
        # group already, and go on to get what the terminal sends. After `os.setsid` it would not.
        in_group = os.getsid(child) != os.getsid(0)
    # What the program sends to its parent is not meant for itself.
    return not in_group and received.si_pid != child


def _stop(number: int) -> None:
    """Stop this process until it is continued, by a signal that is then still to be taken."""
    if number == signal.SIGSTOP:
        os.kill(os.getpid(), number)
        return
    handler = signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    signal.signal(number, handler)
