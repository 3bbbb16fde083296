# Handles are typed as asyncio's, whose interface they have, so that a loop is one of asyncio's.
import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from typing_extensions import disjoint_base

from fournil._native.poller import Poller

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

@disjoint_base
class LoopCore:
    _closed: bool
    _stopping: bool
    _debug: bool
    _thread_id: int | None
    _task_factory: Callable[..., Any] | None
    @property
    def _poller(self) -> Poller: ...
    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def time(self) -> float: ...
    def get_debug(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def create_future(self) -> asyncio.Future[Any]: ...
    def create_task(
        self, coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T], **options: Any
    ) -> asyncio.Task[_T]: ...
    def _add_reader(
        self, fd: Any, callback: Callable[..., object], *args: Any
    ) -> asyncio.Handle: ...
    def _add_writer(
        self, fd: Any, callback: Callable[..., object], *args: Any
    ) -> asyncio.Handle: ...
    def _remove_reader(self, fd: Any) -> bool: ...
    def _remove_writer(self, fd: Any) -> bool: ...
    def _add_callback(self, handle: asyncio.Handle) -> None: ...
    def _write_to_self(self) -> None: ...
    def _run(self) -> None: ...
    def _run_once(self) -> None: ...
    def _run_handle(self, handle: asyncio.Handle) -> None: ...
    def _close_core(self) -> None: ...
