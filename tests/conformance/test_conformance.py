"""CPython's asyncio tests, module by module: what passes on asyncio's loop passes on ours.

`make conformance` runs them on both loops, and says how many pass on each.
"""

from __future__ import annotations

import pytest

from tests.conformance.checking import check
from tests.conformance.deviations import listed
from tests.conformance.suite import ASYNCIO

MISSING = ASYNCIO.missing()


@pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
@pytest.mark.parametrize("module", ASYNCIO.modules() if MISSING is None else ["all"])
def test_module(module: str) -> None:
    checked = check(module, listed(), only=None, quick=True)
    assert not checked.wrong, "\n".join(map(str, checked.wrong))
