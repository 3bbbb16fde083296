"""Connections of each kind survive what happens to them, in an order that a seed decides."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", [1, 20, 300, 4000])
def test_no_order_of_events_ends_the_program(seed: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.native.chaos", str(seed)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout.split()[-1:]) == (0, ["survived"]), ended.stderr
