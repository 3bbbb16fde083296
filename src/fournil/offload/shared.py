"""Objects placed in shared memory once, for many calls."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from ctypes import c_char
from itertools import count
from typing import TypeVar

from fournil._worker.memory import Segment, address, fill
from fournil._worker.packing import pack, refusal, unpack
from fournil._worker.places import size_of
from fournil.errors import PoolError

T = TypeVar("T")


class Shared:
    """Memory of one shared object.

    Attributes:
        segment: the memory.
        begin: its address here.
        withdraw: called when the object is gone, in any thread.
    """

    def __init__(self, number: int, size: int) -> None:
        self.segment = Segment(number, size)
        self.begin = address(self.segment.memory)
        self.withdraw: dict[int, Callable[[int], None]] = {}


_numbers = count(1)
# By address. Any thread sets and removes an item, each in one step of the interpreter: a lock
# could be held by the very thread in which a collection of garbage finds an object gone.
_shared: dict[int, Shared] = {}


def share(value: T) -> T:
    """Return an equal object whose big buffers are in shared memory, to be given to many calls.

    A process that is given it, or a part of it, such as a slice of an array or an object that holds
    it, maps the memory once, and copies nothing. What is shared is read-only, here and there. The
    memory is given back when the returned object and all that was made of its buffers are gone.

    Args:
        value: a numpy array, a data frame, or what holds such.

    Raises:
        CannotTravelError: the object cannot be pickled.
        PoolError: there is not enough memory.

    Example:
        table = fournil.share(numpy.random.rand(10_000, 1_000))
        async with fournil.ProcessPool() as pool:
            means = [mean async for mean in pool.map(mean_of_row, repeat(table), range(10_000))]
    """
    try:
        body, buffers = pack(value)
    except Exception as why:
        raise refusal("what is to be shared", value, why) from why
    if not buffers:
        # Nothing in it is big: it travels as it is.
        return value
    try:
        shared = Shared(next(_numbers), size_of(buffers))
    except (OSError, ValueError) as error:
        raise PoolError(
            f"there is no shared memory for the {size_of(buffers):,} bytes to be shared: {error}"
        ) from error
    fill(shared.segment, buffers)
    whole = (c_char * shared.segment.size).from_buffer(shared.segment.memory)
    _shared[shared.begin] = shared
    weakref.finalize(whole, _forget, shared).atexit = False
    view = memoryview(whole).cast("B").toreadonly()
    views = []
    offset = 0
    for buffer in buffers:
        views.append(view[offset : offset + buffer.nbytes])
        offset += size_of([buffer])
    made: T = unpack(body, views)
    return made


def _forget(shared: Shared) -> None:
    del _shared[shared.begin]
    for withdraw in list(shared.withdraw.values()):
        withdraw(shared.segment.number)
    shared.segment.close_descriptor()
    # The mapping ends with the last of its views, which is being taken apart.


def find(buffer: memoryview) -> tuple[Shared, int] | None:
    """Return which shared memory a buffer lies in, and at what offset; None: in none."""
    if not _shared:
        return None
    begin = address(buffer)
    for shared in list(_shared.values()):
        offset = begin - shared.begin
        if offset >= 0 and offset + buffer.nbytes <= shared.segment.size:
            return shared, offset
    return None
