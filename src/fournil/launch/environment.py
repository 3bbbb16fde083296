"""The environment of the program's process: that of its parent, as `python` would have got it."""

from __future__ import annotations

import contextlib
import os


def of_child(parent: int) -> dict[bytes, bytes]:
    """Return the environment for this process to start the program with.

    Args:
        parent: the process that we are a fork of, which was started in the program's place.
    """
    environment = dict(os.environb)
    _restore_locale(environment)
    _name_process(environment, parent)
    return environment


def _restore_locale(environment: dict[bytes, bytes]) -> None:
    # In the C locale, Python changes LC_CTYPE for its children as it starts. A Python that
    # finds it changed takes another mode than the one that changed it.
    with contextlib.suppress(OSError), open("/proc/self/environ", "rb") as file:
        began = file.read().split(b"\0")
        given = next((line for line in began if line.startswith(b"LC_CTYPE=")), None)
        if given is None:
            environment.pop(b"LC_CTYPE", None)
        else:
            environment[b"LC_CTYPE"] = given.partition(b"=")[2]


def _name_process(environment: dict[bytes, bytes], parent: int) -> None:
    # Who starts a program may name its process there: systemd does by LISTEN_PID, WATCHDOG_PID
    # and SYSTEMD_EXEC_PID, shell scripts by `export SERVER_PID=$$; exec …`. A program that finds
    # another number takes what comes with it, a socket or a watchdog, for another's.
    for name, value in environment.items():
        if name.upper().endswith(b"PID") and value == b"%d" % parent:
            environment[name] = b"%d" % os.getpid()
        # The same by what a process's number cannot be mistaken for, since systemd 258.
        elif name.endswith(b"PIDFDID") and value == _pidfd_id(parent):
            environment[name] = _pidfd_id(os.getpid()) or value


def _pidfd_id(process: int) -> bytes | None:
    try:
        descriptor = os.pidfd_open(process)
    except OSError:
        return None
    try:
        return b"%d" % os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
