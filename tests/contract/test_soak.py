"""Connections at random: what arrives is whole and in order, and nothing is left of them."""

from __future__ import annotations

import pytest

from tests.contract.loops import Loop
from tests.contract.soak import Soak, run


@pytest.mark.parametrize("connections", [2, 30])
@pytest.mark.parametrize("seed", range(3))
def test_connections_at_random(loop: Loop, seed: int, connections: int) -> None:
    soak = Soak(seed, connections)
    run(loop, soak, actions=3000)
    assert soak.received
    assert soak.done["lost"] > 10
