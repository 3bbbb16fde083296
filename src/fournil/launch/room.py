"""The recordings of a program's children: where they are, and how little room they keep.

A recording has room for much more than most children ever write, and all of it is taken while it is
written, since a mapped file without room ends its writer. What was never written is given back when
its child has ended: by the supervisor, since a child may end in ways that it does not see.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from collections.abc import Iterator

from fournil.record import files
from fournil.record.layout import HEADER, MAGIC

KEEP_SIZE, PUNCH_HOLE = 1, 2
"""Of `fallocate`: they are not in Python's `os`."""

PAGE, BLOCK = 4096, 1 << 16
NOTHING = bytes(BLOCK)

OFTEN_S, SELDOM_S = 0.25, 1.0
"""So often children are looked for while there are some, and while there are none."""

_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


class Room:
    """The room that recordings of children take; looked after while their program runs.

    Args:
        pattern: of their paths, in which `%p` stands for the number of a process.
        program: the number of the program; recordings of others are left as they are.
    """

    def __init__(self, pattern: str, program: int) -> None:
        self._pattern = pattern
        self._program = program
        self._given_back: set[str] = set()

    def look_after(self) -> float:
        """Give back what ended children did not need; return after how long to look again."""
        found = [path for path in files.matching(self._pattern) if path not in self._given_back]
        for path in found:
            with contextlib.suppress(OSError):
                if _give_back(path, self._program):
                    self._given_back.add(path)
        return OFTEN_S if found else SELDOM_S


def _give_back(path: str, program: int) -> bool:
    """Give back the room of a recording that has ended, if it has; return whether it is done."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        head = os.pread(descriptor, HEADER.size, 0)
        if not head.startswith(MAGIC) or len(head) < HEADER.size:
            return False  # it is still made, or none of ours
        header = HEADER.unpack(head)
        if header["program"] != program:
            return True
        status = os.fstat(descriptor)
        if not header["ended_ticks"] and files.is_written_by(header["pid"], status.st_ino):
            return False
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as data:
            for begin, end in _empty(data):
                _fallocate(descriptor, KEEP_SIZE | PUNCH_HOLE, begin, end - begin)
    finally:
        os.close(descriptor)
    return True


def _empty(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield where nothing was written, from the begin of one page to that of another."""
    begin = None
    for block in range(0, len(data), BLOCK):
        whole = data[block : block + BLOCK]
        size = BLOCK if whole == NOTHING[: len(whole)] else PAGE
        for at in range(0, len(whole), size):
            is_empty = size == BLOCK or whole[at : at + PAGE] == NOTHING[:PAGE]
            if not is_empty and begin is not None:
                yield begin, block + at
            if not is_empty:
                begin = None
            elif begin is None:
                begin = block + at
    if begin is not None:
        yield begin, len(data)
