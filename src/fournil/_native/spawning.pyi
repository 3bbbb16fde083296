import asyncio
import sys
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from typing_extensions import disjoint_base

from fournil._native.scheduling import Scheduling

_T = TypeVar("_T")

@disjoint_base
class Spawning(Scheduling):
    def create_future(self) -> asyncio.Future[Any]: ...
    if sys.version_info >= (3, 12):
        def create_task(
            self,
            coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
            *,
            name: object = None,
            context: Context | None = None,
            eager_start: bool | None = None,
        ) -> asyncio.Task[_T]: ...
    else:
        def create_task(
            self,
            coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
            *,
            name: object = None,
            context: Context | None = None,
        ) -> asyncio.Task[_T]: ...
