"""Nonsense is refused, or does harm to its object alone: the interpreter goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", range(6))
def test_nonsense_ends_no_interpreter(seed: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.native.nonsense", str(seed)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "lives\n"), ended.stderr[-3000:]
