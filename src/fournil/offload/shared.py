"""Memory of shared objects: its users, and the moment when it is given back.

All that is shared lies in one file in memory, of which each object has a part: so a thousand
objects take one descriptor. Who may use a part:

- Here, all that was made of its buffers. When the last of that is gone, in any thread, the workers
  that have the part are told.
- In a worker, likewise. It says so when it has nothing more of what it was told of.

When the last of them let go the kernel has the part's memory back, and the file with its last
part. A process that is forked from this one has all parts as they were and tells nobody when it
lets go: so parts that there are at a fork stay until the last of their file is gone.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from ctypes import c_char
from errno import EFBIG
from itertools import count
from typing import cast

from fournil._worker.memory import shares
from fournil._worker.memory.mapping import mapped
from fournil._worker.memory.room import reserve
from fournil._worker.memory.segments import PAGE, address
from fournil._worker.own import OwnFile


class File(OwnFile):
    """A file in memory, of which each shared object has a part.

    Attributes:
        parts: the numbers of the parts that are in use; under the lock.
        end: the offset of the next part; under the lock.
        was_forked: whether other processes may have all of its parts, and tell nobody.
    """

    def __init__(self) -> None:
        super().__init__("fournil-shared")
        self.process = os.getpid()
        self.parts: set[int] = set()
        self.end = 0
        self.was_forked = False


class Shared:
    """Memory of one shared object.

    Attributes:
        number: the object's, among all that this process shares.
        file, offset, size: place of the memory, and its size in bytes.
        memory: the memory, mapped.
        begin, end: addresses of the memory in this process.
        is_here: whether something here uses the object; cleared by whoever drops the last use, in
            any thread.
        was_forked: whether other processes may have the object, and tell nobody when they let go.
        users: by worker, the function that is called with the number when nothing here uses the
            object any more, in any thread. Each entry is added and removed by the thread of its
            worker's loop.
    """

    def __init__(self, number: int, file: File, offset: int, size: int) -> None:
        self.number = number
        self.file = file
        self.offset = offset
        self.size = size
        self.memory = mapped(file.descriptor, size, offset)
        self.begin = address(self.memory)
        self.end = self.begin + size
        self.is_here = True
        self.was_forked = False
        self.users: dict[int, Callable[[int], None]] = {}

    def view(self) -> memoryview:
        """Return a view of the memory; when all that was made of it is gone, it is not here."""
        whole = (c_char * self.size).from_buffer(self.memory)
        weakref.finalize(whole, self.left_here).atexit = False
        shares.add(self)
        return memoryview(whole).cast("B").toreadonly()

    def left_here(self) -> None:
        """Note that nothing here uses the object any more."""
        shares.remove(self)
        self.is_here = False
        if self.file.process == os.getpid():
            for withdraw in list(self.users.values()):
                withdraw(self.number)
        self.free_if_unused()

    def left_by(self, user: int) -> None:
        """Note that a worker does not use the object any more."""
        self.users.pop(user, None)
        self.free_if_unused()

    def free_if_unused(self) -> None:
        # The workers of the process that this one was forked from are not this one's.
        if not self.is_here and (not self.users or self.file.process != os.getpid()):
            _unused.append(self)
            _free()


_numbers = count(1)
_file: File | None = None  # the file that takes more parts; under the lock
# Memory is taken and freed under the lock. A collection in the midst of that may drop the last use
# of another object, in the same thread: so who frees does not wait for the lock, but leaves the
# part to its holder.
_lock = threading.Lock()
_unused: deque[Shared] = deque()


def new(size: int) -> Shared:
    """Return memory for an object; raise OSError or ValueError where there is none."""
    try:
        with _lock:
            try:
                return _part(size)
            except OSError as error:
                if error.errno != EFBIG or _file is None or not _file.end:
                    raise
                # The file may grow no more (RLIMIT_FSIZE); a part of it is free, perhaps.
                _retire()
                return _part(size)
    finally:
        _free()


def _part(size: int) -> Shared:
    global _file
    if _file is None or not _file.is_there():
        _file = File()
    file = _file
    number = next(_numbers)
    offset = file.end
    size = max(-(-size // PAGE) * PAGE, PAGE)
    file.parts.add(number)
    try:
        reserve(file.descriptor, offset, size)
        made = Shared(number, file, offset, size)
    except BaseException:
        file.parts.discard(number)
        if not file.parts:
            file.close()
            _file = None
        raise
    file.end += size
    return made


def _retire() -> None:
    """Have the next part be of another file."""
    global _file
    _file = None


def _free() -> None:
    """Give back the parts that nobody uses, unless another thread is at it, and does this too."""
    while _unused and _lock.acquire(blocking=False):
        try:
            while _unused:
                _free_part(_unused.popleft())
        finally:
            _lock.release()


def _free_part(part: Shared) -> None:
    file = part.file
    if part.number not in file.parts:
        return  # its last two users left at once
    file.parts.remove(part.number)
    if not (part.was_forked or file.was_forked) and file.process == os.getpid():
        try:
            part.memory.madvise(mmap.MADV_REMOVE)
        except OSError:
            pass  # its file is on a disk of a kind that cannot: then it goes with the file
    del part.memory
    if not file.parts:
        file.close()
        if _file is file:
            _retire()


def _before_fork() -> None:
    if _file is not None:
        _file.was_forked = True
        _retire()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that is not here may have had it


os.register_at_fork(before=_before_fork, after_in_child=_forked)


def find(buffer: memoryview) -> tuple[Shared, int] | None:
    """Return which shared memory a buffer lies in, and at what offset; None: in none."""
    if not shares.spans:
        return None
    begin = address(buffer)
    found = cast("Shared | None", shares.find(begin, begin + buffer.nbytes))
    return None if found is None else (found, begin - found.begin)
