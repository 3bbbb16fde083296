"""The tests that are run: by default, those of asyncio that come with the interpreter."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple


class Suite(NamedTuple):
    """A package of test modules."""

    package: str
    folder: str = ""  # where it is imported from, when not from the standard library
    seconds: float = 60.0
    """What one test may take: CPython's slowest takes about ten."""

    def missing(self) -> str | None:
        """Return why there are no tests to run; None when there are."""
        if self._spec() is not None:
            return None
        return (
            f"this Python has no {self.package}; Debian has it in libpythonX.Y-testsuite, and a"
            " Python built from source has it unless its tests were removed"
        )

    def modules(self) -> list[str]:
        """Return the names of the test modules, without that of their package."""
        spec = self._spec()
        folders = (spec and spec.submodule_search_locations) or []
        return sorted(path.stem for folder in folders for path in Path(folder).glob("test_*.py"))

    def _spec(self) -> ModuleSpec | None:
        try:
            return importlib.util.find_spec(self.package)
        except ModuleNotFoundError:  # a package that it would be in
            return None

    def short(self, test: str) -> str:
        """Return a test's id without the package: module.Class.method."""
        return test.replace(f"{self.package}.", "")


ASYNCIO = Suite("test.test_asyncio")
