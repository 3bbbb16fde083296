"""What goes wrong: each function does one thing to a pool under load, and says what follows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import resource
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import fournil
from tests.faults.calls import compute, eat, fail_first, ignore_all, last, same
from tests.offload.biters import Biter, BitingError, Own, fail, give, log
from tests.offload.functions import double
from tests.offload.travellers import segfault
from tests.offload.under_test import engine_of

Pool = fournil.ProcessPool
Do = Callable[[Pool, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        do: does it once, and checks what follows.
        options: of the pool.
        costs: how many calls of the load one such fault may cost.
        share: how often it is done, as a share of how often the others are.
    """

    do: Do
    options: dict[str, Any] = field(default_factory=dict)
    costs: int = 0
    share: float = 1.0

    @property
    def name(self) -> str:
        return self.do.__name__


async def a_worker_is_killed(pool: Pool, numbers: random.Random) -> None:
    await asyncio.sleep(numbers.random() * 0.01)
    while not (workers := [worker for worker in engine_of(pool).live.values() if worker.ready]):
        await asyncio.sleep(0)
    numbers.choice(workers).kill()


async def a_call_ends_its_worker(pool: Pool, numbers: random.Random) -> None:
    with pytest.raises(fournil.WorkerDied) as caught:
        await pool.run(os._exit, 3)
    assert caught.value.exit_code == 3


async def a_call_crashes(pool: Pool, numbers: random.Random) -> None:
    with pytest.raises(fournil.WorkerDied) as caught:
        await pool.run(segfault)
    assert caught.value.signal == signal.SIGSEGV


async def a_call_eats_memory(pool: Pool, numbers: random.Random) -> None:
    with pytest.raises(MemoryError):
        await pool.run(eat, 300_000_000)


async def a_call_is_cancelled(pool: Pool, numbers: random.Random) -> None:
    call = pool.run(compute, int(numbers.random() * 40_000))
    await asyncio.sleep(numbers.random() * 0.004)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call


async def a_call_ignores_its_timeout(pool: Pool, numbers: random.Random) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await pool.run(ignore_all)


async def a_result_cannot_travel(pool: Pool, numbers: random.Random) -> None:
    with pytest.raises(fournil.CannotTravelError, match="lock"):
        await pool.run(threading.Lock)


async def an_argument_cannot_travel(pool: Pool, numbers: random.Random) -> None:
    with pytest.raises(fournil.CannotTravelError, match="argument 1 of double"):
        await pool.run(double, threading.Lock())  # type: ignore[arg-type]


@contextlib.contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Have what is logged by these names written nowhere."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.disabled = was


ERRORS = (ValueError, MemoryError, KeyboardInterrupt, SystemExit, asyncio.CancelledError, Own)


async def an_object_bites(pool: Pool, numbers: random.Random) -> None:
    """It raises whatever it likes while it travels, here or there."""
    error = numbers.choice(ERRORS)
    side = numbers.choice(("worker", "program"))
    when = numbers.choice(("pickled", "unpickled"))
    with quiet("biters", "fournil"):
        assert await pool.run(log, when, side, error) == "logged"
    with pytest.raises((fournil.RemoteError, BitingError)):
        await pool.run(fail, when, side, error)
    with pytest.raises(fournil.CannotTravelError, match=error.__name__):
        await pool.run(give, "pickled" if side == "worker" else "unpickled", side, error)
    with pytest.raises(fournil.CannotTravelError, match=error.__name__):
        await pool.run(same, Biter("pickled", "program", error))


async def what_is_shared_is_let_go(pool: Pool, numbers: random.Random) -> None:
    """While calls of it wait, run, are cancelled, or die."""
    values = [fournil.share(np.full(20_000, number)) for number in range(numbers.randrange(1, 5))]
    calls = [pool.run(last, value) for value in values for _ in range(3)]
    gone = numbers.choice(calls)
    moment = numbers.random() * 0.002
    del values
    await asyncio.sleep(moment)
    gone.cancel()
    if numbers.random() < 0.2:
        with pytest.raises(fournil.WorkerDied):
            await pool.run(os._exit, 3)
    ended = await asyncio.gather(*calls, return_exceptions=True)
    for number, value in enumerate(ended):
        assert value == number // 3 or isinstance(value, asyncio.CancelledError), value


async def there_is_no_shared_memory(pool: Pool, numbers: random.Random) -> None:
    # A number of bytes that no memory of the pool has, so that new memory is asked for.
    array = np.zeros(numbers.randrange(2 << 20, 3 << 20), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(fournil.PoolError, match="no shared memory for"):
            await pool.run(len, array)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def three_gigabytes_travel(pool: Pool, numbers: random.Random) -> None:
    there = np.zeros(3 << 30, np.uint8)
    there[-1] = 7
    back = await pool.run(same, there)
    assert (back.nbytes, int(back[-1]), int(back[0])) == (3 << 30, 7, 0)


async def another_pool_is_closed(pool: Pool, numbers: random.Random) -> None:
    """Close one with work in flight, in each way, at a random moment."""
    other = fournil.ProcessPool(workers=2, grace=0.05)
    calls = [other.run(compute, 3_000) for _ in range(30)]
    await asyncio.sleep(numbers.random() * 0.08)
    way = numbers.randrange(3)
    if way == 0:
        await other.close()
        assert all(call.result() for call in calls)
    elif way == 1:
        with pytest.raises(LookupError):
            async with other:
                raise LookupError
    else:
        closing = asyncio.ensure_future(other.close())
        await asyncio.sleep(numbers.random() * 0.01)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closing
        await other.close()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert not any(isinstance(value, Exception) for value in ended), ended


async def an_initializer_fails(pool: Pool, numbers: random.Random) -> None:
    async with fournil.ProcessPool(workers=2, initializer=fail_first) as other:
        for _ in range(2):
            with pytest.raises(LookupError, match="no model") as caught:
                await other.run(double, 1)
            assert "in fail_first" in "".join(traceback.format_exception(caught.value))
        assert engine_of(other).started <= 2


FAULTS = {
    fault.name: fault
    for fault in (
        Fault(a_worker_is_killed, costs=1),
        Fault(a_call_ends_its_worker),
        Fault(a_call_crashes),
        Fault(a_call_eats_memory),
        Fault(a_call_is_cancelled),
        Fault(a_call_ignores_its_timeout, {"grace": 0.02}),
        Fault(a_result_cannot_travel),
        Fault(an_argument_cannot_travel),
        Fault(an_object_bites),
        Fault(what_is_shared_is_let_go),
        Fault(there_is_no_shared_memory),
        Fault(another_pool_is_closed),
        Fault(an_initializer_fails),
        Fault(three_gigabytes_travel, share=0.05),
    )
}
