import asyncio
from collections.abc import Awaitable
from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class ReaderState:
    _buffer: bytearray
    _loop: asyncio.AbstractEventLoop
    _transport: asyncio.ReadTransport | None
    _waiter: asyncio.Future[None] | None
    _exception: BaseException | None
    _limit: int
    _eof: bool
    _paused: bool

class StreamReader(asyncio.StreamReader): ...

class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    def _drain_helper(self) -> Awaitable[None]: ...

class Nothing:
    def __await__(self) -> Self: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> None: ...

STATE: tuple[str, ...]

def shown(name: str) -> property: ...
