"""The kinds of pool under test, and the loops that they run on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import fournil
from fournil.offload.isolated.engine import Engine
from fournil.offload.isolated.pool import IsolatedPool
from fournil.offload.isolated.worker import IsolatedWorker
from tests.offload.functions import Gate


def loops() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the loops that there are here, by name."""
    found: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.SelectorEventLoop,
        "fournil": fournil.EventLoop,
    }
    try:
        import uvloop
    except ImportError:
        return found
    # The first one opens descriptors that it keeps until the process ends.
    uvloop.new_event_loop().close()
    return {**found, "uvloop": uvloop.new_event_loop}


LOOPS = loops()

KINDS: dict[str, Callable[..., fournil.Pool]] = {
    "threads": fournil.ThreadPool,
    "processes": fournil.ProcessPool,
}
if sys.version_info >= (3, 14):
    KINDS["interpreters"] = fournil.InterpreterPool

ISOLATED = {name: kind for name, kind in KINDS.items() if name != "threads"}
"""Those whose workers share no objects with the program."""


def engine_of(pool: fournil.Pool) -> Engine:
    """Return what has the workers of a pool that has begun to work, and shares no objects."""
    assert isinstance(pool, IsolatedPool)
    assert pool._engine is not None
    return pool._engine


async def two_workers(pool: fournil.ProcessPool, gates: Callable[[], Gate]) -> list[IsolatedWorker]:
    """Have a pool start two workers, and return them when they have nothing to do."""
    pair = [gates(), gates()]
    calls = [pool.run(gate.wait) for gate in pair]
    for gate in pair:
        await gate.until_reached()
        gate.open()
    await asyncio.gather(*calls)
    return list(engine_of(pool).live.values())


def use(main: Callable[[fournil.ProcessPool], Any], **options: Any) -> Any:
    """Run a coroutine function with a pool of one worker."""

    async def entered() -> Any:
        async with fournil.ProcessPool(1, **options) as pool:
            return await main(pool)

    return fournil.run(entered())
