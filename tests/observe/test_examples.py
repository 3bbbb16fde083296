"""The examples in the docstrings of the folder, and of what it judges by."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import fournil.evidence
import fournil.observe

MODULES = [
    module.name
    for package in (fournil.evidence, fournil.observe)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
