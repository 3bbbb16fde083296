"""Objects placed in shared memory once, for many calls.

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
from array import array
from collections import deque
from collections.abc import Callable
from ctypes import c_char
from errno import EFBIG
from itertools import count
from typing import Any, TypeVar, cast

from fournil._worker import shares
from fournil._worker.failure import described
from fournil._worker.handlers import pass_on
from fournil._worker.mapping import Known, mapped
from fournil._worker.memory import PAGE, address, aligned, aligned_size, fill
from fournil._worker.own import OwnFile
from fournil._worker.packing import pack, pack_all, unpack
from fournil._worker.reducing import SMALL
from fournil._worker.refusing import culprit, refusal, short
from fournil._worker.room import reserve
from fournil._worker.wire import LARGEST
from fournil.errors import CannotTravelError, PoolError

T = TypeVar("T")


class File:
    """A file in memory, of which each shared object has a part.

    Attributes:
        descriptor: its own, while `is_there`.
        parts: those that are in use, by number; under the lock.
        end: where the next part begins; under the lock.
        was_forked: whether other processes may have all of its parts, and tell nobody.
    """

    def __init__(self) -> None:
        self._own = OwnFile("fournil-shared")
        self.descriptor = self._own.descriptor
        self.is_there = Known(self.descriptor).is_there
        self.close = self._own.close
        self.process = os.getpid()
        self.parts: set[int] = set()
        self.end = 0
        self.was_forked = False


class Shared:
    """Memory of one shared object.

    Attributes:
        number: of all that this process shares.
        file, offset, size: where it is.
        memory: it, mapped.
        begin, end: its addresses here.
        is_here: whether something here uses it.
        was_forked: whether other processes may have it, and tell nobody when they let go.
        users: of workers that have it: what is called with its number when nothing here uses it
            any more, in any thread. Each entry is added and removed by the thread of its loop.
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
        """Return a view of it; when that and all that was made of it are gone, it is not here."""
        whole = (c_char * self.size).from_buffer(self.memory)
        weakref.finalize(whole, self.left_here).atexit = False
        shares.add(self)
        return memoryview(whole).cast("B").toreadonly()

    def left_here(self) -> None:
        """Note that nothing here uses it any more."""
        shares.remove(self)
        self.is_here = False
        if self.file.process == os.getpid():
            for withdraw in list(self.users.values()):
                withdraw(self.number)
        self.free_if_unused()

    def left_by(self, user: int) -> None:
        """Note that a worker does not use it any more."""
        self.users.pop(user, None)
        self.free_if_unused()

    def free_if_unused(self) -> None:
        # The workers of the process that this one was forked from are not this one's.
        if not self.is_here and (not self.users or self.file.process != os.getpid()):
            _unused.append(self)
            _free()


_numbers = count(1)
_file: File | None = None  # the one that takes more parts; under the lock
# The memory is taken and freed under the lock. An object may be found gone in the midst of that,
# in the same thread: so who frees does not wait, but leaves it to who has the lock.
_lock = threading.Lock()
_unused: deque[Shared] = deque()


def _new(size: int) -> Shared:
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
    """Give back what nobody uses any more, unless another is at it, who then does this too."""
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


def share(value: T) -> T:
    """Return an equal object whose buffers are in shared memory, to be given to many calls.

    A process that is given it, or a part of it, such as a slice of an array or an object that holds
    it, maps the memory once, and copies nothing. What is shared is read-only, here and there. The
    memory is given back when the returned object and all that was made of its buffers are gone,
    here and in the workers.

    Arrays of numpy may have any shape, order and type but `object`, be masked, or of a subclass;
    one that is mapped from a file is copied. Frames and columns of pandas, polars and Arrow are
    shared where they are held in such arrays or in Arrow's buffers, as are numbers, times,
    categories and Arrow's texts. Long bytes, bytearrays and arrays of `array`, by themselves or in
    lists, tuples and dicts, become read-only memoryviews, which equal them.

    Args:
        value: an array, a frame, or what holds such.

    Raises:
        CannotTravelError: the object cannot be pickled; or a part of it is not in buffers, and so
            long that it does not go with each call: the error names it.
        PoolError: there is not enough memory.

    Example:
        table = fournil.share(numpy.random.rand(10_000, 1_000))
        async with fournil.ProcessPool() as pool:
            means = [mean async for mean in pool.map(mean_of_row, repeat(table), range(10_000))]
    """
    shares.making.append(None)
    try:
        return _shared(value)
    finally:
        shares.making.pop()


def _shared(value: T) -> T:
    try:
        body, buffers = pack_all(_viewed(value, {}))
    except BaseException as why:
        pass_on(why)
        raise refusal("what is to be shared", value, why) from why
    copied = [buffer for buffer in buffers if find(buffer) is None]
    made = value
    if copied:
        views = _copies(copied)
        try:
            made = unpack(body, [views.get(id(buffer), buffer) for buffer in buffers])
        except BaseException as why:
            pass_on(why)
            raise CannotTravelError(
                f"what is to be shared, {short(value)} of type {type(value).__qualname__}, cannot"
                f" be made again from its buffers ({described(why)}): share its parts"
            ) from why
    if _is_pickled(made):
        raise _refused(made)
    return made


BYTES = (bytes, bytearray)


def _viewed(value: Any, made: dict[int, Any]) -> Any:
    """Return an object with views in place of long bytes, where plain containers hold them.

    Args:
        value: the object.
        made: what containers became, by their identity; a container may hold itself.
    """
    kind = type(value)
    if kind in BYTES or kind is array:
        view = memoryview(value)
        return value if kind is bytes and view.nbytes < SMALL else view
    if kind not in (list, tuple, dict):
        return value
    if id(value) in made:
        return made[id(value)]
    if kind is tuple:
        # One that holds itself does so by way of another container.
        return tuple(_viewed(part, made) for part in value)
    made[id(value)] = new = kind()
    if kind is dict:
        new.update((key, _viewed(part, made)) for key, part in value.items())
    else:
        new.extend(_viewed(part, made) for part in value)
    return new


def _copies(buffers: list[memoryview]) -> dict[int, memoryview]:
    """Return views of equal memory that is shared, by the identity of buffers."""
    size = aligned_size(buffers)
    try:
        shared = _new(size)
    except (OSError, ValueError) as error:
        raise PoolError(
            f"there is no shared memory for the {size:,} bytes to be shared: {error}; share less,"
            " or let go of what was shared before"
        ) from error
    view = shared.view()
    fill(shared.memory, buffers)
    views = {}
    offset = 0
    for buffer in buffers:
        views[id(buffer)] = view[offset : offset + buffer.nbytes]
        offset += aligned(buffer.nbytes)
    return views


OF_A_BUFFER = 256
"""So many bytes say how a buffer belongs to an object."""


def _sizes(value: object) -> tuple[int, int]:
    """Return how many bytes of an object are pickled for each call, and how many may be."""
    body, buffers = pack(value)
    unshared = sum(buffer.nbytes for buffer in buffers if find(buffer) is None)
    return len(body) + unshared, LARGEST + OF_A_BUFFER * len(buffers)


def _is_pickled(value: object) -> bool:
    """Return whether more of an object is pickled for each call than how its buffers belong to it.

    An object may copy what it is made of, or make buffers only while it is pickled.
    """
    try:
        size, most = _sizes(value)
    except BaseException as why:
        pass_on(why)
        return True
    return size > most


def _refused(value: object) -> CannotTravelError:
    path, part = culprit(value, _is_pickled)
    kind = type(part).__qualname__
    if hasattr(part, "dtype"):
        kind += f" with items of type {part.dtype}"
    return CannotTravelError(
        f"what is to be shared{path} is not held in buffers, and would be pickled for each call:"
        f" {_sizes(part)[0]:,} bytes of {short(part)} of type {kind}; share arrays of numbers or"
        " times, or Arrow's columns, and have the workers make the rest by the pool's initializer"
    )


def find(buffer: memoryview) -> tuple[Shared, int] | None:
    """Return which shared memory a buffer lies in, and at what offset; None: in none."""
    if not shares.spans:
        return None
    begin = address(buffer)
    found = cast("Shared | None", shares.find(begin, begin + buffer.nbytes))
    return None if found is None else (found, begin - found.begin)
