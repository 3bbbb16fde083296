"""Reducers of objects of some types, where pickle's own way would not do.

What the other side does not find by its name is left to `by_value`. What has big memory inside
(numpy's arrays, frames of pandas and polars, views) is pickled so that the memory can be taken
out of band.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from pickle import PickleBuffer
from types import FunctionType, ModuleType

from fournil._worker.memory import shares
from fournil._worker.pickling.modules import is_found, is_made_here

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Reduce = Callable[[Any], Any]

SMALL = 1 << 15
"""Buffers below so many bytes are pickled with the rest: shared memory would cost more."""

ARRAYS = "fournil._worker.pickling.arrays"
"""Imported where there is an array; its functions are found on each side."""

MOST = 1000
"""So many types are remembered; classes that are made for one call must not pile up."""


class TravelsByValue(Exception):  # noqa: N818
    """Raised while an object is pickled that has a part which the other side does not find."""


reducers: dict[type, Reduce | None] = {}
"""Reducers by type; None: pickle's own way does."""


def reducer_of(kind: type) -> Reduce | None:
    """Return how objects of a type are pickled, and remember it."""
    try:
        return reducers[kind]
    except KeyError:
        if len(reducers) >= MOST:
            reducers.clear()
        reducers[kind] = found = _reducer_of(kind)
        return found
    except TypeError:
        return _reducer_of(kind)  # its own type says that it has no hash


def _reducer_of(kind: type) -> Reduce | None:
    if issubclass(kind, type):
        return _class
    for base in kind.__mro__:
        found = BY_TYPE.get(base) or BY_NAME.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found
    return None


def _class(value: type) -> Any:
    if is_made_here(value.__module__) or _came_by_value(value):
        raise TravelsByValue
    return NotImplemented


def _function(value: FunctionType) -> Any:
    if value.__module__ == ARRAYS:
        return NotImplemented
    if "<" in value.__qualname__ or is_made_here(value.__module__):
        raise TravelsByValue
    return NotImplemented


def _came_by_value(value: type) -> bool:
    """Return whether a class travelled by value before, from here or to here.

    In a worker its module is not there, and to look for it takes longer than all else.
    """
    cloudpickle: Any = sys.modules.get("cloudpickle.cloudpickle")
    try:
        return cloudpickle is not None and value in cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS
    except TypeError:
        return False  # it has no hash


def _module(value: ModuleType) -> Any:
    raise TravelsByValue


def _cached(value: Any) -> Any:
    """Reduce a function of `lru_cache`, which pickle knows by its name alone.

    Where that is not found it travels by value, with nothing in its cache.
    """
    if "<" not in value.__qualname__ and is_found(value.__module__):
        return NotImplemented
    return _cached_again, (value.__wrapped__, value.cache_parameters())


def _cached_again(function: Any, parameters: dict[str, Any]) -> Any:
    return lru_cache(**parameters)(function)


def _view(value: Any) -> Any:
    if not value.c_contiguous:
        value = memoryview(value.tobytes()).cast(value.format, value.shape).toreadonly()
    try:
        memoryview(b"").cast(value.format)
    except ValueError:
        raise TravelsByValue from None
    return _view_of, (PickleBuffer(value), value.format, value.shape)


def _view_of(buffer: Any, format: str, shape: tuple[int, ...]) -> Any:  # noqa: A002
    view: Any = memoryview(buffer)
    return view if (format, len(shape)) == ("B", 1) else view.cast("B").cast(format, shape)


def _array(value: Any) -> Any:
    arrays = sys.modules.get("fournil._worker.pickling.arrays") or import_module(
        "fournil._worker.pickling.arrays"
    )
    return arrays.reduced(value, 1 if shares.making else SMALL)


def _arrow_extension(value: Any) -> Any:
    """Reduce a column of pandas that Arrow holds: pandas would first join its chunks, in a copy."""
    state = dict(value.__dict__)
    if "_pa_array" not in state:
        return NotImplemented
    if "_cache" in state:
        state["_cache"] = {}
    return _with_state, (type(value), state)


def _with_state(kind: Any, state: dict[str, Any]) -> Any:
    made = kind.__new__(kind)
    made.__dict__.update(state)
    return made


def _polars(value: Any) -> Any:
    """Reduce a frame or a column of polars by what Arrow's libraries see of its memory.

    Polars itself writes all of it into the pickle. That does where nothing is shared: Arrow's
    library takes long to be imported.
    """
    if not shares.in_use():
        return NotImplemented
    polars = sys.modules["polars"]
    name = getattr(value, "name", None)
    try:
        table = value.to_arrow(compat_level=polars.CompatLevel.newest())
        same = _of_polars(name, table)
    except Exception:
        return NotImplemented  # Arrow's library is not there, or has no such type
    types = "dtype" if name is not None else "schema"
    if getattr(same, types) != getattr(value, types):
        return NotImplemented
    return _of_polars, (name, table)


def _of_polars(name: str | None, table: Any) -> Any:
    made = import_module("polars").from_arrow(table, rechunk=False)
    return made if name is None else made.alias(name)


BY_TYPE: dict[type, Reduce] = {
    FunctionType: _function,
    ModuleType: _module,
    memoryview: _view,
    type(lru_cache(int)): _cached,
}

BY_NAME: dict[str, Reduce] = {
    "numpy.ndarray": _array,
    "pandas.arrays.ArrowExtensionArray": _arrow_extension,
    "pandas.core.arrays.arrow.array.ArrowExtensionArray": _arrow_extension,
    "polars.dataframe.frame.DataFrame": _polars,
    "polars.series.series.Series": _polars,
}
