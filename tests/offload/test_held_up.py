"""Calls behind a long one: taken over by whoever becomes idle, and not looked at for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fournil.offload.isolated.engine import SELDOM_LOOK_S, Engine
from tests.offload.functions import Gate, Run, double
from tests.offload.under_test import ISOLATED, engine_of, two_workers

Gates = Callable[[], Gate]


@pytest.fixture(params=ISOLATED)
def make_isolated(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return ISOLATED[request.param]


def test_workers_are_looked_at_seldom_while_nothing_changes(
    run: Run, make_isolated: Callable[..., Any], gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    original = Engine._look

    def look(self: Engine) -> None:
        nonlocal looks
        looks += 1
        original(self)

    monkeypatch.setattr(Engine, "_look", look)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with make_isolated(workers=2) as pool:
            await two_workers(pool, gates)
            long = [gates(), gates()]
            calls = [pool.run(gate.wait) for gate in long]
            for gate in long:
                await gate.until_reached()
            dispatch = engine_of(pool).dispatch
            dispatch.mean_ns = 0.0  # calls were short: those of `two_workers` may have been long
            behind = [pool.run(double, number) for number in range(4)]
            await asyncio.sleep(0)
            assert any(len(slot.sent) > 1 for slot in dispatch.slots.values())
            began, before = loop.time(), looks
            await asyncio.sleep(0.4)
            most = (loop.time() - began) / SELDOM_LOOK_S + 10
            assert 0 < looks - before <= most
            long[0].open()
            # One is idle now, and takes over what waits behind the other.
            assert await asyncio.gather(*behind) == [0, 2, 4, 6]
            assert not calls[1].done()
            long[1].open()
            await asyncio.gather(*calls)

    run(main)
