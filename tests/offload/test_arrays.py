"""Arrays of numpy come back as numpy itself would pickle them, whatever is in them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fournil._worker.pickling.packing import pack, unpack

SIZE = 6000
"""Items of an array whose buffer goes out of band, of eight bytes each."""

WITH_NOTE = np.dtype("f8", metadata={"unit": "g"})

ARRAYS: dict[str, Callable[[int], np.ndarray[Any, Any]]] = {
    "floats": lambda size: np.arange(size, dtype=float),
    "booleans": lambda size: np.arange(8 * size) % 3 == 0,
    "the other byte order": lambda size: np.arange(size, dtype=">i8"),
    "long doubles": lambda size: np.arange(size, dtype=np.longdouble),
    "complex numbers": lambda size: np.arange(size) * 1j,
    "bytes": lambda size: np.full(size, b"rye", "S8"),
    "texts": lambda size: np.full(size, "rye", "U8"),
    "times": lambda size: np.arange(size).astype("M8[s]"),
    "objects": lambda size: np.arange(size).astype(object),
    "three axes": lambda size: np.arange(size).reshape(2, 3, -1),
    "Fortran's order": lambda size: np.asfortranarray(np.arange(size).reshape(6, -1)),
    "every other item": lambda size: np.arange(2 * size)[::2],
    "one item without an axis": lambda _: np.array(7.0),
    "no items": lambda _: np.zeros((3, 0)),
    "items with a note": lambda size: np.zeros(size, WITH_NOTE),
}


def read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.flags.writeable = False
    return array


@pytest.mark.filterwarnings("ignore:.*metadata:UserWarning")
@pytest.mark.parametrize("size", [24, SIZE])
@pytest.mark.parametrize("name", ARRAYS)
def test_array_comes_back_as_from_pickle(name: str, size: int) -> None:
    for array in (ARRAYS[name](size), read_only(ARRAYS[name](size))):
        back = unpack(*pack([array, array]))
        assert back[0] is back[1]
        buffers: list[Any] = []
        wanted = pickle.loads(
            pickle.dumps(array, 5, buffer_callback=buffers.append), buffers=buffers
        )
        assert np.array_equal(back[0], array)
        for told in ("dtype", "shape", "strides"):
            assert getattr(back[0], told) == getattr(wanted, told)
        assert back[0].dtype.metadata == wanted.dtype.metadata
        # numpy makes those writable that it copies; ours are what they were.
        assert back[0].flags.writeable in {array.flags.writeable, wanted.flags.writeable}


def test_buffers_of_a_call_are_its_own() -> None:
    first = np.full(SIZE, 1.0)
    body, buffers = pack(first)
    pack(np.full(SIZE, 2.0))
    assert len(buffers) == 1
    assert np.array_equal(unpack(body, buffers), first)
