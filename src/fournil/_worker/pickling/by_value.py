"""Objects pickled by what they are made of; imported when something needs it."""

from __future__ import annotations

import io
import marshal
import pickle
import sys
from collections.abc import Callable
from contextvars import ContextVar
from io import TextIOWrapper
from pickle import PickleBuffer
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import cloudpickle
from cloudpickle import cloudpickle as inside

from fournil._worker import running
from fournil._worker.pickling.modules import is_made_here
from fournil._worker.pickling.reducing import TravelsByValue, reducer_of
from fournil._worker.pickling.variables import reduced

_classes: WeakKeyDictionary[type, bytes] = WeakKeyDictionary()
"""Classes that were pickled in this worker, as they were; of its main thread."""


def _text_file(file: TextIOWrapper) -> Any:
    """Reduce a standard stream; refuse other files, which cloudpickle would read and copy."""
    for name in ("stdout", "stderr"):
        if file is getattr(sys, name):
            return getattr, (sys, name)
    raise TypeError(f"cannot pickle {type(file).__name__!r} object")


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
    """cloudpickle's, with context variables, and code with the name of its file.

    cloudpickle leaves out the file, which tracebacks and recordings name. Both sides are the same
    Python: so code goes as it goes into a .pyc file. Functions, classes and modules that
    cloudpickle would send by name go by value where the other side does not find the name.

    Args:
        file: what is written to.
        keep: takes buffers out of band; None: they stay in it.
        by_number: whether classes that the parent may know are sent so that it finds its own.
    """

    dispatch_table = cloudpickle.Pickler.dispatch_table.new_child(
        {
            ContextVar: reduced,
            CodeType: lambda code: (marshal.loads, (marshal.dumps(code),)),
            TextIOWrapper: _text_file,
        }
    )

    def __init__(
        self, file: Any, keep: Callable[[PickleBuffer], bool] | None, by_number: bool
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)
        self.by_number = by_number

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind is FunctionType:
            if is_made_here(value.__module__):
                return self._dynamic_function_reduce(value)
        elif issubclass(kind, type):
            return self.reduce_class(value)
        elif kind is TypeVar:
            if is_made_here(value.__module__):
                return inside._make_typevar, inside._decompose_typevar(value)
        elif kind is ModuleType:
            if is_made_here(value.__name__):
                return _reduced_module(value)
        else:
            reduce = reducer_of(kind)
            if reduce is not None:
                try:
                    return reduce(value)
                except TravelsByValue:
                    pass
        return super().reducer_override(value)

    def reduce_class(self, value: type) -> Any:
        body = _classes.get(value) if self.by_number else None
        if body is None:
            if is_made_here(value.__module__):
                made = inside._dynamic_class_reduce(value)
            else:
                made = super().reducer_override(value)
            if not self.by_number or made is NotImplemented or len(made) < 6:
                return made
            body = _classes[value] = _dumps(value, None, by_number=False)
        return _class_of, (inside._get_or_create_tracker_id(value), body)


def _reduced_module(module: ModuleType) -> Any:
    state = {name: value for name, value in vars(module).items() if name not in OF_AN_IMPORT}
    return ModuleType, (module.__name__,), state, None, None, _set_module


OF_AN_IMPORT = frozenset({"__builtins__", "__cached__", "__loader__", "__spec__"})
"""What a module has of how it was imported."""


def _set_module(module: ModuleType, state: dict[str, Any]) -> None:
    vars(module).update(state)


def _class_of(number: str, body: bytes) -> Any:
    """Return the class that a worker got from here, or the one that it made.

    cloudpickle would make what stands in the pickle, and write all of it into the class that is
    here: the program's own methods would be replaced by copies, which find other globals.
    """
    with inside._DYNAMIC_CLASS_TRACKER_LOCK:
        known = inside._DYNAMIC_CLASS_TRACKER_BY_ID.get(number)
    return pickle.loads(body) if known is None else known


def dumps(value: object, keep: Callable[[PickleBuffer], bool]) -> bytes:
    """Return an object as bytes, but for the buffers that `keep` takes."""
    return _dumps(value, keep, by_number=running.is_worker)


def _dumps(value: object, keep: Callable[[PickleBuffer], bool] | None, by_number: bool) -> bytes:
    file = io.BytesIO()
    Pickler(file, keep, by_number).dump(value)
    return file.getvalue()
