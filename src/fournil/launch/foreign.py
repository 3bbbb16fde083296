"""Puts Fournil's loop in the place of uvloop's and its like when a program imports them.

They stay installed and imported as they are, with their policies and helpers: all of these
make their loops by one class of the package, which is replaced. A package that the program
does not import is not loaded.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from fournil.loop import EventLoop

LOOP_CLASSES = {"uvloop": "Loop", "rloop": "RLoop", "zuvloop": "EventLoop", "winloop": "Loop"}
"""The packages, and what each calls the class of its loops."""

_announced = False


def install() -> None:
    """Replace the loops of these packages, now or when they are imported."""
    sys.meta_path.insert(0, _Finder)
    for package in LOOP_CLASSES.keys() & sys.modules.keys():
        _replace(package)


class _Finder:
    """Finds these packages as the other finders do, and replaces their loops once loaded."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in LOOP_CLASSES:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is cls or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Loads a package by its own loader, then replaces its loops."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _replace(module.__name__)


def _replace(package: str) -> None:
    theirs = getattr(sys.modules[package], LOOP_CLASSES[package], None)
    if not isinstance(theirs, type):
        return
    ours = _loop_class(package, theirs)
    # The package's own functions find it where they were written, in any of its modules.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package:
            for attribute, value in list(vars(module).items()):
                if value is theirs:
                    setattr(module, attribute, ours)


def _loop_class(package: str, theirs: type) -> type[EventLoop]:
    class Loop(EventLoop):
        def __init__(self, *args: object, **kwargs: object) -> None:
            # Their options say how their loop works inside.
            _announce(package)
            super().__init__()

    Loop.__name__, Loop.__qualname__ = theirs.__name__, theirs.__qualname__
    Loop.__module__ = theirs.__module__
    return Loop


def _announce(package: str) -> None:
    global _announced
    if _announced or sys.__stderr__ is None:
        return
    _announced = True
    with contextlib.suppress(OSError, ValueError):  # the program closed it
        print(
            f"fournil: this program asks for {package}; its loops are Fournil's",
            file=sys.__stderr__,
            flush=True,
        )
