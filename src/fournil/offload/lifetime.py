"""Pools of a loop's own, which end with it."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

from fournil.offload.call import Call
from fournil.offload.pool import Pool

R = TypeVar("R")

_ended_loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()


class OwnPools:
    """One pool for each loop, that nobody closes.

    `asyncio.run` ends the async generators of a loop before it closes it (`shutdown_asyncgens`):
    one of them closes the pool. What other generators still call then, as in their `finally`, is
    run by a pool that ends as soon as it has nothing to do.

    Args:
        make: makes a pool.
    """

    def __init__(self, make: Callable[[], Pool]) -> None:
        self._make = make
        self._pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = (
            weakref.WeakKeyDictionary()
        )
        # Of the pools' lives; a loop holds its generators weakly.
        self._lives: weakref.WeakKeyDictionary[Pool, AsyncGenerator[None, None]] = (
            weakref.WeakKeyDictionary()
        )
        # Calls that came when the generators had ended, and have not ended.
        self._late: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, set[Call[Any]]] = (
            weakref.WeakKeyDictionary()
        )
        # Those of a parent are of no use to a child.
        os.register_at_fork(after_in_child=self._pools.clear)

    def run(
        self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call[R]:
        """Have the pool of the running loop call a function."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            self._end_those_of_closed_loops()
            pool = self._pools[loop] = self._make()
            if loop not in _ended_loops:
                self._end_with_loop(pool, loop)
        call = pool.run(function, *args, **kwargs)
        if loop in _ended_loops:
            self._late.setdefault(loop, set()).add(call)
            # Before whoever awaits it goes on, perhaps for the last time.
            call.add_done_callback(self._end_if_idle)
        return call

    def _end_with_loop(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        life = self._lives[pool] = self._life(weakref.ref(pool), loop)
        try:
            # It gets to its `yield` without waiting for anything.
            life.__anext__().send(None)
        except StopIteration:
            pass

    async def _life(
        self, held: weakref.ref[Pool], loop: asyncio.AbstractEventLoop
    ) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            _ended_loops.add(loop)
            pool = held()
            # It holds its loop, which would live as long as the entry.
            self._pools.pop(loop, None)
            if pool is not None:
                await pool.close()

    def _end_if_idle(self, call: Call[Any]) -> None:
        loop = call.get_loop()
        late = self._late.get(loop, set())
        late.discard(call)
        pool = None if late else self._pools.pop(loop, None)
        if pool is not None:
            pool.stop()

    def _end_those_of_closed_loops(self) -> None:
        """End the pools of loops that were closed without a word to their async generators."""
        for loop, pool in list(self._pools.items()):
            if loop.is_closed() and self._pools.pop(loop, None) is pool:
                pool.stop()
