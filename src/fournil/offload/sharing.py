"""share: objects placed in shared memory once, for many calls."""

from __future__ import annotations

import errno
from array import array
from typing import Any, TypeVar

from fournil._worker.handlers import pass_on
from fournil._worker.memory import shares
from fournil._worker.memory.segments import aligned, aligned_size, fill
from fournil._worker.naming import described, short
from fournil._worker.pickling.packing import pack, pack_all, unpack
from fournil._worker.pickling.reducing import SMALL
from fournil._worker.pickling.refusing import culprit, refusal
from fournil._worker.wire import LARGEST
from fournil.errors import CannotTravelError, PoolError
from fournil.offload.shared import find, new

T = TypeVar("T")

BYTES = (bytes, bytearray)

OF_A_BUFFER = 256
"""So many bytes say how a buffer belongs to an object."""


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
        if isinstance(why, OSError) and why.errno in {errno.EMFILE, errno.ENFILE}:
            # What packs some kinds of objects is imported with the first of them.
            raise PoolError(
                f"no descriptor is left to share {short(value)} with: {why.strerror}; close some,"
                " or raise the limit (`ulimit -n`)"
            ) from why
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
        shared = new(size)
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
