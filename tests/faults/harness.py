"""Does one fault many times, and looks whether anything is left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import fournil
from tests.conftest import describe, look, settle
from tests.faults.faults import FAULTS
from tests.faults.load import Load
from tests.faults.programs import PROGRAMS, end_a_program
from tests.offload.functions import double

NAMES = (*FAULTS, *PROGRAMS)


def do(
    name: str,
    times: int,
    folder: Path,
    seed: int = 0,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = fournil.new_event_loop,
) -> None:
    """Do a fault so many times; raise AssertionError where anything does not hold."""
    numbers = random.Random(seed)
    # The first loop of a process opens what it keeps.
    loop_factory().close()
    before = look()
    if name in PROGRAMS:
        for _ in range(times):
            end_a_program(PROGRAMS[name], numbers)
    else:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_under_load(name, times, folder, numbers))
    left = settle(before)
    assert not left, describe(left)


async def _under_load(name: str, times: int, folder: Path, numbers: random.Random) -> None:
    fault = FAULTS[name]
    done = max(1, round(times * fault.share))
    lost = 0

    def is_lost(why: BaseException) -> bool:
        nonlocal lost
        lost += 1
        return isinstance(why, fournil.WorkerDied) and lost <= done * fault.costs

    async with fournil.ProcessPool(workers=2, **fault.options) as pool:
        async with Load(pool, folder, is_lost):
            for _ in range(done):
                await fault.do(pool, numbers)
        assert await pool.run(double, 4) == 8
        statistics = pool.statistics()
        assert (statistics.queued, statistics.running) == (0, 0)
        assert len(statistics.workers) <= 2
