import asyncio
from collections.abc import Awaitable

from typing_extensions import disjoint_base

@disjoint_base
class ReaderState: ...

class StreamReader(asyncio.StreamReader): ...

class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    def _drain_helper(self) -> Awaitable[None]: ...

@disjoint_base
class Nothing: ...

STATE: tuple[str, ...]

def shown(name: str) -> property: ...
