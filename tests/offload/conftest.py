from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fournil
from fournil._worker.memory import shares
from fournil.offload import shared
from tests.offload.functions import Gate, Marks, Run
from tests.offload.under_test import KINDS, LOOPS


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function to its end, on each loop in turn."""

    def to_the_end(main: Callable[[], Any]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(main())

    return to_the_end


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Callable[..., fournil.Pool]:
    """Make a pool, of each kind in turn."""
    return KINDS[request.param]


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Callable[[], Gate]]:
    """Make gates."""
    folder = tmp_path / "gates"
    folder.mkdir()
    yield lambda: Gate(folder)
    while Gate.held:
        os.close(Gate.held.pop())


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path / "marks")


@pytest.fixture
def nothing_shared_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not shares.spans
    assert shared._file is None
