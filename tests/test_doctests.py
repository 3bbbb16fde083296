"""The examples in docstrings are run, so they stay true."""

from __future__ import annotations

import asyncio
import doctest
import importlib
from pathlib import Path

import pytest

import fournil

SOURCES = Path(__file__).parents[1] / "src"


async def main() -> None:
    """The program of an example that needs one."""


# Names that an example may use without making them, as a reader would expect.
KNOWN = {"asyncio": asyncio, "fournil": fournil, "main": main}

MODULES = [
    ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(SOURCES.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module, extraglobs=KNOWN, optionflags=doctest.ELLIPSIS).failed == 0
