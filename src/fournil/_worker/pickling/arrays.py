"""numpy's arrays as buffers, where numpy itself would copy them into the pickle.

Imported where numpy is.

numpy gives an array away as a buffer if it is contiguous, of the very class `ndarray`, and of a
type that the buffer protocol has a letter for. Times, structures with times, every other item of
an array, masked arrays and subclasses it writes out, item by item or as bytes. Here the memory
that an array uses is the buffer, whatever stands in it, and how the array lies in it travels
beside it: a part of memory that is shared stays a part of it, whatever its shape.
"""

from __future__ import annotations

from pickle import PickleBuffer

import numpy as np

from fournil._worker.memory import shares

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from typing import Any

PLAIN = frozenset("biufcSU")
"""Kinds of numpy's items that the buffer protocol knows."""

OVERRIDABLE = ("__reduce__", "__reduce_ex__", "__setstate__", "__getstate__")


def reduced(array: Any, small: int) -> Any:
    """Return how pickle is to take an array; NotImplemented: as numpy has it.

    Args:
        array: one, or one of a subclass.
        small: below so many bytes numpy's way is as good, unless they are shared.
    """
    kind = type(array)
    dtype = array.dtype
    # The common case first, by what takes least to ask. numpy writes its type as an object of six
    # parts, each of which asks anew how it travels.
    if (
        kind is np.ndarray
        and not shares.spans
        and dtype.isbuiltin == 1
        and dtype.kind in PLAIN
        and dtype.metadata is None
        and array.size
    ):
        flags = array.flags
        if flags.c_contiguous:
            return plain, (PickleBuffer(array), dtype.str, array.shape, "C")
        if flags.f_contiguous:
            return plain, (PickleBuffer(array), dtype.str, array.shape, "F")
    if not _is_memory(dtype) or not array.size:
        return NotImplemented
    if kind is np.ndarray and array.nbytes < small and not shares.spans:
        return NotImplemented
    if issubclass(kind, np.ma.MaskedArray):
        return _masked(array)
    begin, end = _bounds(array)
    is_there = shares.find(begin, end) is not None
    if not is_there and _is_as_good(array, kind, small):
        return NotImplemented
    subclass = None if kind is np.ndarray else _subclass(array, kind)
    return _rebuilt, (*_in_memory(array, begin, end, is_there), subclass)


def _is_as_good(array: Any, kind: type, small: int) -> bool:
    """Return whether numpy's way is, for an array that is not shared."""
    if kind is not np.ndarray:
        # numpy forgets the attributes of a subclass.
        return array.nbytes < small and (_overrides(kind) or not _attributes(array))
    return array.nbytes < small or (_is_a_buffer(array.dtype) and _is_contiguous(array))


def _is_memory(dtype: Any) -> bool:
    """Return whether items of a type are what stands in their bytes, and nothing elsewhere."""
    # A type of the new kind may keep memory of its own, as numpy's texts of any length do.
    return bool(dtype.itemsize and not dtype.hasobject and getattr(type(dtype), "_legacy", True))


def _is_a_buffer(dtype: Any) -> bool:
    """Return whether the buffer protocol knows a type."""
    return dtype.kind in PLAIN and dtype.isbuiltin != 2  # 2: registered by another package


def _is_contiguous(array: Any) -> bool:
    flags = array.flags
    return bool(flags.c_contiguous or flags.f_contiguous)


def _bounds(array: Any) -> tuple[int, int]:
    """Return the address of the first byte that an array uses, and of the first beyond it."""
    begin = array.__array_interface__["data"][0]
    end = begin + array.itemsize
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            begin += stride * (length - 1)
        else:
            end += stride * (length - 1)
    return begin, end


def _in_memory(array: Any, begin: int, end: int, is_there: bool) -> tuple[Any, ...]:
    """Return an array as memory, and how it lies there."""
    if not is_there and end - begin > array.nbytes:
        # Most of that is not its own.
        array = np.array(array, order="C", copy=True, subok=False)
        begin, end = _bounds(array)
    first = array.__array_interface__["data"][0]
    memory: Any = np.asarray(_Memory(begin, end - begin, not array.flags.writeable, array))
    return PickleBuffer(memory), array.dtype, array.shape, array.strides, first - begin


class _Memory:
    """Bytes of memory, as numpy takes them; the array made of it keeps this, and so the owner."""

    def __init__(self, begin: int, size: int, read_only: bool, owner: object) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (begin, read_only),
        }


def _attributes(array: Any) -> dict[str, Any]:
    """Return what an array of a subclass has, but for what belongs to its memory."""
    return {} if isinstance(array, np.memmap) else getattr(array, "__dict__", {})


def _overrides(kind: type) -> bool:
    """Return whether a subclass has a way of its own to be pickled."""
    return any(
        getattr(kind, name, None) is not getattr(np.ndarray, name, None) for name in OVERRIDABLE
    )


def _subclass(array: Any, kind: type) -> tuple[Any, ...]:
    """Return what makes an array one of a subclass: an empty one as it is pickled, or attributes.

    A subclass takes its attributes from another array by `__array_finalize__`, as when it is
    sliced.
    """
    if not _overrides(kind):
        return kind, None, _attributes(array)
    flat = array if array.ndim else np.ndarray.reshape(array, 1)
    return kind, np.ndarray.__getitem__(flat, slice(0, 0)), {}


def plain(buffer: Any, dtype: str, shape: tuple[int, ...], order: Any) -> Any:
    """Return an array of numbers or texts that lies in a buffer without gaps."""
    return np.ndarray(shape, dtype, buffer, order=order)


def _rebuilt(
    buffer: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    subclass: tuple[Any, Any, dict[str, Any]] | None,
) -> Any:
    kind, model, attributes = subclass or (np.ndarray, None, None)
    array = np.ndarray.__new__(kind, shape, dtype, buffer, offset, strides)
    if model is not None:
        array.__array_finalize__(model)
    if attributes:
        array.__dict__.update(attributes)
    return array


def _masked(array: Any) -> Any:
    kind: Any = type(array)
    if kind.__reduce__ is not np.ma.MaskedArray.__reduce__ or "_mask" not in array.__dict__:
        return NotImplemented
    attributes = dict(array.__dict__)
    mask = attributes["_mask"]
    attributes["_mask"] = None if mask is np.ma.nomask else np.ndarray.view(mask, np.ndarray)
    return _rebuilt_masked, (kind, np.ndarray.view(array, np.ndarray), attributes)


def _rebuilt_masked(kind: Any, data: Any, attributes: dict[str, Any]) -> Any:
    array = data.view(kind)
    if attributes["_mask"] is None:
        attributes["_mask"] = np.ma.nomask
    array.__dict__.update(attributes)
    return array
