"""Modules that the other side of a pool finds by their names.

Pickle sends a function or a class as the name of a module and its own name there. That does for
what stands on the path. What a program made or loaded by itself (`__main__`, plugins that were
loaded from their file, modules made in memory, modules of a folder that is no longer on the path)
is found by nobody else, and travels by value.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

path: list[str] = []
"""Path on which modules were found; another list when it has changed."""

_decided: dict[str, tuple[object, bool]] = {}
"""Modules that were looked at, by name, each with whether it is found; of threads that hold the
GIL."""


def is_found(name: str) -> bool:
    """Return whether the other side finds a module that this one has."""
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return False
    known = _decided.get(name)
    if known is None or known[0] is not module:
        known = _decided[name] = module, _is_found(name, module)
    return known[1] and not _is_registered(name)


def is_made_here(name: Any) -> bool:
    """Return whether a module is there, and for this process alone.

    Args:
        name: what a function or class says that its module is.
    """
    return type(name) is str and name in sys.modules and not is_found(name)


def _is_found(name: str, module: ModuleType) -> bool:
    global path
    spec = getattr(module, "__spec__", None)
    loader = getattr(spec, "loader", None)
    if loader is BuiltinImporter or loader is FrozenImporter:
        return True
    package, _, _ = name.rpartition(".")
    if package and not is_found(package):
        return False
    origin = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    if package and spec is None and origin is None:
        # Made by its package, as C code does, or by what imported that.
        return True
    now = [os.path.abspath(entry) for entry in sys.path]
    if now != path:
        path = now
    within = getattr(sys.modules[package], "__path__", None) if package else None
    for finder in _finders():
        try:
            found: ModuleSpec | None = finder.find_spec(name, within)
        except Exception:
            return True  # it says nothing
        if found is not None:
            return _is_same(found.origin, origin)
    return False


def _finders() -> Iterator[Any]:
    """Yield what finds modules in other processes too."""
    yield PathFinder
    for finder in sys.meta_path:
        # setuptools, scikit-build-core and meson-python install theirs for each interpreter, by
        # a .pth file; all other ones are made by the program.
        if "editable" in (getattr(finder, "__module__", None) or ""):
            yield finder


def _is_same(found: str | None, origin: str | None) -> bool:
    if found is None or origin is None:
        return found is origin  # a package without a file of its own
    try:
        return found == origin or os.path.samefile(found, origin)
    except OSError:
        return False


def _is_registered(name: str) -> bool:
    """Return whether the program told cloudpickle to pickle a module by value."""
    cloudpickle: Any = sys.modules.get("cloudpickle")
    if cloudpickle is None:
        return False
    try:
        registered = cloudpickle.list_registry_pickle_by_value()
    except AttributeError:
        return False  # it is being imported
    while name and registered:
        if name in registered:
            return True
        name = name.rpartition(".")[0]
    return False
