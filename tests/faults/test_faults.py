"""Each fault, a few times; `python -m tests.faults` does each two hundred times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.harness import NAMES, do
from tests.offload.under_test import LOOPS

HUGE = "three_gigabytes_travel"
"""Not every machine has room for it."""


@pytest.mark.parametrize("name", [name for name in NAMES if name != HUGE])
def test_faults(name: str, tmp_path: Path) -> None:
    do(name, 3, tmp_path)


def test_on_asyncio(tmp_path: Path) -> None:
    do("a_worker_is_killed", 10, tmp_path, loop_factory=LOOPS["asyncio"])
