import asyncio
from collections.abc import Callable, Iterable
from typing import SupportsIndex

from typing_extensions import disjoint_base

@disjoint_base
class ReaderState:
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    _buffer: bytearray
    _loop: asyncio.AbstractEventLoop
    _transport: asyncio.ReadTransport | None
    _waiter: asyncio.Future[None] | None
    _exception: BaseException | None
    _limit: int
    _eof: bool
    _paused: bool

class StreamReader(asyncio.StreamReader):
    @property
    def feed_data(self) -> Callable[[Iterable[SupportsIndex]], None]: ...
    @feed_data.setter
    def feed_data(self, method: Callable[[Iterable[SupportsIndex]], None]) -> None: ...
    @feed_data.deleter
    def feed_data(self) -> None: ...

STATE: tuple[str, ...]

def shown(name: str) -> property: ...
def replaceable(name: str, asyncios: type) -> property: ...
