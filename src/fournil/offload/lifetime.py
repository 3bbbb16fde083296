"""Pools of a loop's own, which end with it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, ClassVar

from fournil.offload.call import Call
from fournil.offload.pool import Pool

if TYPE_CHECKING:
    from typing import Self

_ended_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


class EndsWithItsLoop(Pool):
    """A pool that nobody closes; each kind has one a loop.

    `asyncio.run` ends the async generators of a loop before it closes it (`shutdown_asyncgens`):
    one of them closes the pool. What other generators still call then, as in their `finally`, is
    run by a pool that ends as soon as it has nothing to do.
    """

    _pools: ClassVar[weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]]

    def __init_subclass__(cls) -> None:
        cls._pools = weakref.WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        raise NotImplementedError("a kind makes itself, then calls _begin_with")

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Self:
        """Return the pool of a loop that runs in this thread."""
        pool: Self | None = cls._pools.get(loop)
        if pool is None:
            cls._end_those_of_closed_loops()
            pool = cls._pools[loop] = cls(loop)
        return pool

    def _begin_with(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lasts = loop not in _ended_loops
        if self._lasts:
            self._lifetime = self._until_the_loop_ends(loop)
            try:
                # It gets to its `yield` without waiting for anything.
                self._lifetime.__anext__().send(None)
            except StopIteration:
                pass

    async def _until_the_loop_ends(
        self, loop: asyncio.AbstractEventLoop
    ) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            _ended_loops.add(loop)
            # The pool holds its loop, which would live as long as the entry.
            self._pools.pop(loop, None)
            await self.close()

    def _left(self, call: Call[Any]) -> None:
        super()._left(call)
        if not self._lasts and not self._in_flight:
            assert self._loop is not None
            self._pools.pop(self._loop, None)
            self._closed = True
            self._stop()

    @classmethod
    def _end_those_of_closed_loops(cls) -> None:
        """End the pools of loops that were closed without a word to their async generators."""
        for loop, pool in list(cls._pools.items()):
            if loop.is_closed() and cls._pools.pop(loop, None) is pool:
                pool._closed = True
                pool._stop()
