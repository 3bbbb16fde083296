"""Connections at random: what arrives is whole and in order, and nothing is left of them."""

from __future__ import annotations

import sys

import pytest

from tests.contract.loops import Loop, skip_bug_of_asyncio
from tests.contract.soak import Soak, run


@pytest.mark.parametrize("connections", [2, 30])
@pytest.mark.parametrize("seed", range(3))
def test_connections_at_random(loop: Loop, seed: int, connections: int) -> None:
    skip_bug_of_asyncio(
        loop, sys.version_info >= (3, 12), "waits for ever when a descriptor is used again"
    )
    soak = Soak(seed, connections)
    run(loop, soak, actions=3000)
    assert soak.received
    assert soak.done["lost"] > 10
