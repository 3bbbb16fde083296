import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Self, TypeVarTuple

from _typeshed import FileDescriptorLike
from typing_extensions import disjoint_base

from fournil._native.handles import Handle, TimerHandle
from fournil._native.poller import Poller
from fournil._native.ready import ReadyQueue

_Ts = TypeVarTuple("_Ts")

@disjoint_base
class Scheduling:
    _closed: bool
    _stopping: bool
    _debug: bool
    _thread_id: int | None
    _task_factory: Callable[..., asyncio.Future[Any]] | None

    _ready: ReadyQueue
    _scheduled: list[asyncio.TimerHandle]

    def __new__(cls, *args: object, **kwargs: object) -> Self: ...
    def call_soon(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> Handle: ...
    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> TimerHandle: ...
    def time(self) -> float: ...
    def get_debug(self) -> bool: ...
    def is_closed(self) -> bool: ...
    @property
    def _poller(self) -> Poller: ...
    def _add_reader(
        self,
        fd: FileDescriptorLike,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> Handle: ...
    def _remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def _add_writer(
        self,
        fd: FileDescriptorLike,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> Handle: ...
    def _remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _add_callback(self, handle: asyncio.Handle) -> None: ...
    def _write_to_self(self) -> None: ...
