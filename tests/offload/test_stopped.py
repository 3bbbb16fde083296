"""Workers that were stopped, as by a debugger or an operator: what they hold up, and what not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import pytest

import fournil
from fournil.offload.isolated.worker import IsolatedWorker
from tests.offload.functions import Gate, Run, double
from tests.offload.under_test import engine_of, two_workers

Gates = Callable[[], Gate]


def send(worker: IsolatedWorker, number: int) -> None:
    assert worker.pid is not None
    os.kill(worker.pid, number)


def test_its_calls_go_to_others(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            stopped, _ = await two_workers(pool, gates)
            send(stopped, signal.SIGSTOP)
            calls = [pool.run(double, n) for n in range(20)]
            assert await asyncio.gather(*calls) == [2 * n for n in range(20)]
            assert all(call.worker != stopped.name for call in calls)
            # Calls with big arguments too.
            sizes = [pool.run(len, bytes(1 << 17)) for _ in range(4)]
            assert await asyncio.gather(*sizes) == [1 << 17] * 4

    run(main)


def test_another_is_started_for_its_calls(run: Run) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(8) as pool:
            assert await pool.run(double, 1) == 2
            stopped = list(engine_of(pool).live.values())
            for worker in stopped:
                send(worker, signal.SIGSTOP)
            assert await pool.run(double, 2) == 4
            assert len(engine_of(pool).live) > len(stopped)

    run(main)


def test_one_that_goes_on_gets_calls_again(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(2) as pool:
            stopped, other = await two_workers(pool, gates)
            send(stopped, signal.SIGSTOP)
            assert await asyncio.gather(*(pool.run(double, n) for n in range(8)))
            gate = gates()
            held = pool.run(gate.wait)
            await gate.until_reached()
            assert held.worker is None
            last = pool.run(double, 4)
            send(stopped, signal.SIGCONT)
            # The other one is taken.
            assert await last == 8
            assert last.worker == stopped.name
            gate.open()
            await held
            assert held.worker == other.name

    run(main)


def test_a_call_that_it_runs_waits_for_it(run: Run, gates: Gates) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            gate = gates()
            held, behind = pool.run(gate.wait, 3), pool.run(double, 4)
            await gate.until_reached()
            (stopped,) = engine_of(pool).live.values()
            send(stopped, signal.SIGSTOP)
            gate.open()
            behind.cancel()
            with suppress(asyncio.CancelledError):
                await behind
            assert not held.done()
            send(stopped, signal.SIGCONT)
            assert await held == 3

    run(main)


@pytest.mark.parametrize("runs", [False, True], ids=["idle", "in a call"])
def test_a_close_has_it_go_on(run: Run, gates: Gates, runs: bool) -> None:
    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            assert await pool.run(double, 1) == 2
            calls = []
            if runs:
                gate = gates()
                calls.append(pool.run(gate.wait, 5))
                await gate.until_reached()
                gate.open()
            (stopped,) = engine_of(pool).live.values()
            send(stopped, signal.SIGSTOP)
        assert await asyncio.gather(*calls) == [5] * runs

    run(main)


def test_one_that_is_to_end_is_replaced(run: Run) -> None:
    """It had nothing to do for long enough, and was stopped before it heard of it."""

    async def main() -> None:
        async with fournil.ProcessPool(1, idle_timeout=3600) as pool:
            assert await pool.run(double, 1) == 2
            (stopped,) = engine_of(pool).live.values()
            send(stopped, signal.SIGSTOP)
            stopped.finish()
            assert await pool.run(double, 2) == 4
            assert stopped not in engine_of(pool).live.values()

    run(main)


def do_not_end() -> None:
    """Have the process block where it ends."""
    import sys

    class Stuck:
        def flush(self) -> None:
            signal.pause()

    sys.stdout = Stuck()


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fournil.offload.isolated.process.LEAVES_NS", 1)

    async def main() -> None:
        async with fournil.ProcessPool(1) as pool:
            await pool.run(do_not_end)

    fournil.run(main())
