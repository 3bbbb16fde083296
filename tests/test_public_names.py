"""The public names: each is there, has one home, and is imported when first used."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import fournil

PACKAGE = Path(fournil.__file__).parent


def test_all_is_what_has_a_home() -> None:
    assert sorted(fournil.__all__) == sorted(fournil._HOMES)
    assert len(set(fournil.__all__)) == len(fournil.__all__)


def test_type_checkers_see_the_same_homes() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == fournil._HOMES


@pytest.mark.parametrize("name", fournil.__all__)
def test_name_is_there_and_made_at_home(name: str) -> None:
    value = getattr(fournil, name)
    home = fournil._HOMES[name]
    assert value is getattr(importlib.import_module(home), name)
    assert value.__module__ == home, "re-exported from a module that itself re-exports it"


def test_star_import_and_dir() -> None:
    namespace: dict[str, object] = {}
    exec("from fournil import *", namespace)
    assert set(fournil.__all__) <= namespace.keys()
    assert set(fournil.__all__) <= set(dir(fournil))


def test_unknown_name_says_so() -> None:
    with pytest.raises(AttributeError, match="module 'fournil' has no attribute 'uvloop'"):
        fournil.__getattr__("uvloop")


def test_import_loads_no_submodule() -> None:
    code = "import fournil, json, sys; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in json.loads(run.stdout) if name.startswith("fournil")] == ["fournil"]
