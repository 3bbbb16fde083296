"""Hooks that run when a module is imported, whoever imports it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

TYPE_CHECKING = False  # typing takes longer to import than all else
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def after_import(name: str, function: Callable[[], None]) -> None:
    """Call a function once, when a module at the top of the path is there."""
    if name in sys.modules:
        function()
    else:
        sys.meta_path.insert(0, _Waits(name, function))


class _Waits:
    """Finds no module, but has one tell when it was executed."""

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self.name = name
        self.function = function

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Tells(spec.loader, self.function)  # type: ignore[assignment]
        return spec


class _Tells:
    """A loader that calls a function when the module is there; all else is the loader's own."""

    def __init__(self, loader: object, function: Callable[[], None]) -> None:
        self.loader = loader
        self.function = function

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)  # type: ignore[attr-defined]
        self.function()
