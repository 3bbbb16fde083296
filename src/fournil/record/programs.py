"""Programs of several processes, each with a recording of its own: which belong together.

`fournil run` gives a program a number, which the processes get that the program starts. Each
recording says the number of its program, and which process started its own.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from fournil.record.files import SHARED_MEMORY
from fournil.record.layout import HEADER, MAGIC, VERSION

NOTE = ".unseen"
"""How the names of notes end of processes that were not seen."""


class Found(NamedTuple):
    """A recording in a folder."""

    path: str
    pid: int
    parent: int  # the process that started this one
    program: int
    started_unix_ns: int
    ended: bool  # it was closed; one that was not may be of a program that was killed


def new() -> int:
    """Return a number for a program that begins; no other has it."""
    return int.from_bytes(os.urandom(8)) or 1


def number_of(path: str) -> int:
    """Return the number of the program that a recording is of; 0: none, or it is no recording."""
    try:
        found = _read(path) if path else None
    except OSError:
        return 0
    return found.program if found else 0


def folders() -> list[str]:
    """Return where recordings are that nobody gave a place."""
    return list(dict.fromkeys(filter(os.path.isdir, (SHARED_MEMORY, tempfile.gettempdir()))))


def recordings(folder: str, program: int | None = None) -> list[Found]:
    """Return this user's recordings in a folder, the oldest first.

    What is no recording, one of another version, and what goes away meanwhile are left out.

    Args:
        folder: where to look; not in folders inside it.
        program: the number of the one whose recordings are wanted; None: all.

    Raises:
        OSError: the folder cannot be read.
    """
    found = [one for one in _all(folder) if program is None or one.program == program]
    return sorted(found, key=lambda one: (one.started_unix_ns, one.pid, one.path))


def _all(folder: str) -> Iterator[Found]:
    own_user = os.geteuid()
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if (
                    entry.is_file(follow_symlinks=False)
                    and status.st_uid == own_user
                    and status.st_size >= HEADER.size
                    and (found := _read(entry.path)) is not None
                ):
                    yield found


def _read(path: str) -> Found | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, HEADER.size, 0)
    finally:
        os.close(descriptor)
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        return None
    header = HEADER.unpack(data)
    if header["version"] != VERSION:
        return None
    return Found(
        path,
        header["pid"],
        header["parent"],
        header["program"],
        header["started_unix_ns"],
        header["ended_ticks"] != 0,
    )
