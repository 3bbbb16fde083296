"""What the tests of odd objects share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorder.odd import Recorded, asked, ran


@pytest.fixture
def forget() -> Iterator[None]:
    """Begin with nothing asked, and end with what was made collected."""
    asked.clear()
    ran.clear()
    yield
    gc.collect()


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path / "recording")
