"""Memory that both sides of a pool see: lent, borrowed, and free again.

Each side lends memory of its own to the other and fills it; the other maps it once, and gives it
back when the last view of what it held is gone. So it is reused, its pages warm. All of it is
memory files without a name: when the processes that hold them are dead, however they died, the
kernel has the memory back.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable
from ctypes import (
    Structure,
    addressof,
    byref,
    c_char,
    c_char_p,
    c_int,
    c_ssize_t,
    c_void_p,
    memmove,
    py_object,
    pythonapi,
)
from errno import EBADF
from itertools import count

from fournil._worker.memory.mapping import mapped
from fournil._worker.memory.room import reserve
from fournil._worker.own import Known, OwnFile

ALIGNED = 64
"""Alignment of each buffer, in bytes, as numpy's own are for vector instructions."""

PAGE = mmap.PAGESIZE


class Segment:
    """Memory that is lent, mapped in the process that made it."""

    __slots__ = ("_file", "memory", "number", "period", "size")

    def __init__(self, number: int, size: int) -> None:
        """Map new memory; raise OSError or ValueError where there is none."""
        self.number = number
        self.period = 0  # of its lender, when it was lent last
        self.size = -(-size // PAGE) * PAGE
        self._file = OwnFile("fournil")
        try:
            reserve(self.descriptor, 0, self.size)
            self.memory = mapped(self.descriptor, self.size)
        except BaseException:
            self._file.close()
            raise

    @property
    def descriptor(self) -> int:
        """Descriptor of its file; -1 when it was closed."""
        return self._file.descriptor

    def close_descriptor(self) -> None:
        """Let go of the descriptor, once the other side has it."""
        self._file.close()

    def close(self) -> None:
        self.close_descriptor()
        self.memory.close()


class Lender:
    """Memory that one process lends to one other.

    Of one thread; what `take` returned may be filled in another before it is sent.

    Attributes:
        free: what is not lent; last: what was given back last.
        lent: what the other side has, by number.
        free_size: of all that is free, in bytes.
    """

    def __init__(self) -> None:
        self.free: list[Segment] = []
        self.lent: dict[int, Segment] = {}
        self.free_size = 0
        self._period = 0
        self._numbers = count(1)

    def take(self, size: int) -> Segment | None:
        """Return memory that was made before, is free and fits, or None."""
        best = None
        for segment in self.free:
            # Not much more than is needed: what is big is kept for what is big.
            fits = size <= segment.size <= 4 * size + PAGE
            if fits and (best is None or segment.size <= best.size):
                best = segment
        if best is not None:
            self.free.remove(best)
            self.free_size -= best.size
            best.period = self._period
            self.lent[best.number] = best
        return best

    def number(self) -> int:
        return next(self._numbers)

    def make(self, size: int) -> Segment:
        segment = Segment(self.number(), size)
        self.add(segment)
        return segment

    def add(self, segment: Segment) -> None:
        """Add memory that was made elsewhere, and is lent now."""
        segment.period = self._period
        self.lent[segment.number] = segment

    def forget(self, segment: Segment) -> None:
        """Let go of memory that the other side could not be told of."""
        del self.lent[segment.number]
        segment.close()

    def returned(self, number: int, was_forked: bool = False) -> None:
        """Have memory back that was lent; let go of it if a forked process uses it too."""
        segment = self.lent.pop(number, None)
        if segment is None:
            return
        if was_forked:
            segment.close()
        else:
            self.free.append(segment)
            self.free_size += segment.size

    def trim(self) -> list[int]:
        """Let go of what was not lent since this was called last.

        Returns:
            the numbers, for the other side to forget.
        """
        period, self._period = self._period, self._period + 1
        return self._terminate([segment for segment in self.free if segment.period < period])

    def shrink(self, most: int) -> list[int]:
        """Let go of free memory until there is no more than so many bytes; return as `trim`."""
        gone = []
        left = self.free_size
        for segment in self.free:
            if left <= most:
                break
            left -= segment.size
            gone.append(segment)
        return self._terminate(gone)

    def _terminate(self, segments: list[Segment]) -> list[int]:
        for segment in segments:
            self.free.remove(segment)
            self.free_size -= segment.size
            segment.close()
        return [segment.number for segment in segments]

    def close(self) -> None:
        """Let go of all, when there is no other side any more."""
        for segment in self.lent.values():
            segment.close()
        self.lent.clear()
        self.shrink(0)


class Borrower:
    """Memory that the other side lends, or shares.

    What is lent is given back when the last view of what it held is gone, and lent again later.
    What is shared is read-only and stays, viewed or not, until it is withdrawn; it is given back
    when it was, and the last view is gone too. What was viewed while this process was forked has
    views in another process, of whose end nobody tells: its memory is not to be used again.

    Args:
        give_back: called with the number of what has no view any more, and whether this process
            was forked meanwhile; in any thread, also in the midst of a collection of garbage.
    """

    def __init__(self, give_back: Callable[[int, bool], None]) -> None:
        self._give_back = give_back
        self._lent: dict[int, tuple[mmap.mmap, int]] = {}  # and where each begins
        self._shared: dict[int, memoryview] = {}
        self._file: Known | None = None  # that of all that is shared
        # By number; each is changed in steps of the interpreter, in any thread.
        self._viewed: set[int] = set()
        self._forked: set[int] = set()
        _borrowers.add(self)

    def lent(self, number: int, descriptor: int, size: int) -> None:
        """Map what is lent from now on, and close its descriptor."""
        try:
            memory = mapped(descriptor, size)
            self._lent[number] = memory, address(memory)
        finally:
            os.close(descriptor)

    def file(self, descriptor: int | None) -> None:
        """Have the file of what is shared from now on, in place of another; None: of nothing."""
        if self._file is not None:
            self._file.close()
        self._file = None if descriptor is None else Known(descriptor)

    def close(self) -> None:
        """Let go of what is not ended by its last view."""
        self.file(None)

    def shared(self, number: int, size: int, offset: int) -> None:
        """Map what is shared from now on."""
        if self._file is None or not self._file.is_there():
            raise OSError(EBADF, os.strerror(EBADF))
        memory = mapped(self._file.descriptor, size, offset, read_only=True)
        self._shared[number] = self._watched(number, memory, address(memory)).toreadonly()

    def withdrawn(self, number: int) -> None:
        # Views that are left keep the mapping.
        self._lent.pop(number, None)
        self._shared.pop(number, None)

    def view(self, number: int) -> memoryview:
        """Return a view of all of it; when that and all that was made of it are gone it is back."""
        shared = self._shared.get(number)
        return self._watched(number, *self._lent[number]) if shared is None else shared

    def _watched(self, number: int, memory: mmap.mmap, begin: int) -> memoryview:
        # An object of ctypes, unlike a view, can be watched: views of views keep it too.
        whole = (c_char * len(memory)).from_address(begin)
        whole.memory = memory  # type: ignore[attr-defined]
        self._viewed.add(number)
        weakref.finalize(whole, self._gone, number).atexit = False
        return memoryview(whole).cast("B")

    def _gone(self, number: int) -> None:
        self._viewed.discard(number)
        was_forked = number in self._forked
        if was_forked:
            self._forked.discard(number)
            self._lent.pop(number, None)
        self._give_back(number, was_forked)

    def before_fork(self) -> None:
        self._forked |= self._viewed


_borrowers: weakref.WeakSet[Borrower] = weakref.WeakSet()


def _before_fork() -> None:
    for borrower in list(_borrowers):
        borrower.before_fork()


os.register_at_fork(before=_before_fork)


class _Buffer(Structure):
    """CPython's Py_buffer."""

    _fields_ = (
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    )


_get_buffer = pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (py_object, c_void_p, c_int)
_release_buffer = pythonapi.PyBuffer_Release
_release_buffer.argtypes = (c_void_p,)
_release_buffer.restype = None


def address(buffer: object) -> int:
    """Return where the bytes of a contiguous buffer stand, read-only ones too."""
    got = _Buffer()
    _get_buffer(buffer, byref(got), 0)
    try:
        return got.buf or 0
    finally:
        _release_buffer(byref(got))


def aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def aligned_size(buffers: list[memoryview]) -> int:
    """Return how much memory buffers take, one after the other."""
    return sum(aligned(buffer.nbytes) for buffer in buffers)


def fill(memory: mmap.mmap, buffers: list[memoryview]) -> None:
    """Copy buffers into memory, one after the other, each aligned; the GIL is free meanwhile."""
    target = c_char.from_buffer(memory)
    try:
        offset = 0
        for buffer in buffers:
            memmove(addressof(target) + offset, address(buffer), buffer.nbytes)
            offset += aligned(buffer.nbytes)
    finally:
        # It keeps the memory from being closed.
        del target
