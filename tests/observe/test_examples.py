"""The examples in the docstrings of the folder."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import fournil.observe

MODULES = [module.name for module in pkgutil.iter_modules(fournil.observe.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(f"fournil.observe.{name}")
    assert doctest.testmod(module).failed == 0
