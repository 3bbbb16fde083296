"""Clients that are their own load."""

from __future__ import annotations

import asyncio

from benchmarks.ask import together
from benchmarks.case import Ask
from benchmarks.figures import CLIENT


def test_all_connections_ask_until_the_time_is_over() -> None:
    asked = [0, 0, 0]

    async def measure() -> dict[str, float]:
        def asking(number: int) -> Ask:
            async def ask() -> None:
                asked[number] += 1
                await asyncio.sleep(0)

            return ask

        return dict(await together([asking(number) for number in range(3)], 0.01))

    figures = asyncio.run(measure())
    assert min(asked) >= 1
    assert max(asked) - min(asked) <= 1
    assert figures.keys() == {figure.name for figure in CLIENT.figures}
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["p999_us"]
