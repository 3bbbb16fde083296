"""Calls in `asyncio.wait`, which takes futures and refuses coroutines.

A call is both: a future, and a coroutine for `create_task` and task groups. asyncio asks one
function whether something is a coroutine, by its type, wherever it wants one and where it wants
none. So that function is another where `asyncio.wait` asks, and there alone.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import sys
from types import CodeType, ModuleType
from typing import Any


def _codes(code: CodeType) -> set[CodeType]:
    """Return the code of a function, and of what stands in it, such as a generator."""
    inside = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return {code}.union(*map(_codes, inside))


class _Coroutines(ModuleType):
    """asyncio's module `coroutines` as `asyncio.wait` and those beside it see it."""

    def __init__(self, module: ModuleType, kind: type[asyncio.Future[Any]]) -> None:
        super().__init__(module.__name__, module.__doc__)
        self._module = module
        self._kind = kind
        self._asked_by_wait = _codes(asyncio.tasks.wait.__code__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def iscoroutine(self, value: object) -> bool:
        if type(value) is self._kind and sys._getframe(1).f_code in self._asked_by_wait:
            return False
        return bool(self._module.iscoroutine(value))


def have_wait_take(kind: type[asyncio.Future[Any]]) -> None:
    """Have `asyncio.wait` take a kind of future that is a coroutine too."""
    tasks: Any = asyncio.tasks
    if isinstance(getattr(tasks, "coroutines", None), ModuleType):
        tasks.coroutines = _Coroutines(tasks.coroutines, kind)
