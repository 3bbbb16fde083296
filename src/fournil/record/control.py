"""Asking a recorded program for something, through words in its recording.

Who asks writes a command and its value, and then the number of the request. The watch, which looks
ten times a second at least, does it, says whether it refused, and then writes the same number as
that of its answer. Who may write the file may ask: it is its user's alone.

A lock keeps requests apart; it is of the file's words, so that nobody else's lock of the file is in
the way.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
from typing import Any

from fournil.record import bounds
from fournil.record.kinds import CONTROL_THRESHOLD
from fournil.record.layout import HEADER, MAGIC, VERSION

ANSWER_S = 2.0
"""So long an answer is waited for."""

PAUSE_S = 0.005

_WORDS = HEADER.offset("control_request")


def set_threshold(path: str, seconds: float) -> None:
    """Have a recorded program take steps for blocked from so many seconds on.

    Args:
        path: of the recording that the program writes.
        seconds: from 0.001 to 3600.

    Raises:
        ValueError: it is no threshold, or the file no recording.
        ProcessLookupError: the recording has ended.
        TimeoutError: nobody answers.
        OSError: the file cannot be read or written.
    """
    _ask(path, CONTROL_THRESHOLD, round(bounds.threshold(seconds) * 1e9))


_asking = threading.Lock()
"""Held while this process asks: the kernel's lock is a process's, and keeps no threads apart."""


def _ask(path: str, command: int, value: int) -> None:
    with _asking:
        _ask_alone(path, command, value)


def _ask_alone(path: str, command: int, value: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(_header(descriptor), path)
        _lock(descriptor, path)
        request = (_header(descriptor)["control_request"] + 1) % (1 << 64)
        _write(descriptor, "control_command", "<I", command)
        _write(descriptor, "control_value", "<Q", value)
        _write(descriptor, "control_request", "<Q", request)
        header = _answer(descriptor, path, request)
    finally:
        os.close(descriptor)
    if header["control_refused"]:
        raise ValueError(f"{path}: the program refused the value {value:,}")


def _lock(descriptor: int, path: str) -> None:
    until = time.monotonic() + ANSWER_S
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, HEADER.size - _WORDS, _WORDS)
            return
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{path}: another process has been asking for {ANSWER_S:g} seconds; try again"
                ) from None
        time.sleep(PAUSE_S)


def _answer(descriptor: int, path: str, request: int) -> dict[str, Any]:
    until = time.monotonic() + ANSWER_S
    while (header := _header(descriptor))["control_answered"] != request:
        _check(header, path)
        if time.monotonic() > until:
            raise TimeoutError(
                f"{path}: process {header['pid']} has not answered for {ANSWER_S:g} seconds: it is"
                " stopped, was killed, or is recorded without the watch"
            )
        time.sleep(PAUSE_S)
    return header


def _header(descriptor: int) -> dict[str, Any]:
    return HEADER.unpack(os.pread(descriptor, HEADER.size, 0).ljust(HEADER.size, b"\0"))


def _check(header: dict[str, Any], path: str) -> None:
    if (header["magic"], header["version"]) != (MAGIC, VERSION):
        raise ValueError(f"{path}: is no recording of version {VERSION} of the format")
    if header["ended_ticks"]:
        raise ProcessLookupError(f"{path}: the recording has ended, and its program with it")


def _write(descriptor: int, field: str, format_: str, value: int) -> None:
    os.pwrite(descriptor, struct.pack(format_, value), HEADER.offset(field))
