"""A file's memory, mapped without a descriptor."""

from __future__ import annotations

import mmap
import os
import sys

if sys.version_info >= (3, 13):

    def mapped(descriptor: int, size: int, offset: int = 0, read_only: bool = False) -> mmap.mmap:
        """Return the memory of a part of a file, which needs the descriptor no more."""
        access = mmap.ACCESS_READ if read_only else mmap.ACCESS_WRITE
        return mmap.mmap(descriptor, size, access=access, offset=offset, trackfd=False)

else:
    from ctypes import CDLL, addressof, c_char, c_int, c_int64, c_size_t, c_void_p, get_errno

    _mmap = CDLL(None, use_errno=True).mmap
    _mmap.restype = c_void_p
    _mmap.argtypes = (c_void_p, c_size_t, c_int, c_int, c_int, c_int64)

    MAP_FIXED = 0x10

    def mapped(descriptor: int, size: int, offset: int = 0, read_only: bool = False) -> mmap.mmap:
        """Return the memory of a part of a file, which needs the descriptor no more."""
        # Python would keep a copy of the descriptor. Memory of no file has none, and the file's
        # takes its place; who unmaps the one unmaps the other.
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        memory = mmap.mmap(-1, size, flags=flags)
        place = c_char.from_buffer(memory)
        protection = mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE
        flags = mmap.MAP_SHARED | MAP_FIXED
        found = _mmap(addressof(place), size, protection, flags, descriptor, offset)
        if found != addressof(place):
            error = get_errno()
            raise OSError(error, os.strerror(error))
        return memory
