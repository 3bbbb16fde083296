"""What an import brings in: nothing heavy over what asyncio needs. No times, only modules."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# None of these may be loaded by a program that only wants the loop, or only a recorder.
HEAVY = {"click", "rich", "multiprocessing", "concurrent.futures.process", "http", "email"}

# Which says what interpreter this is, has another name in each of some Pythons.
INTERPRETERS = {"_interpreters", "_xxsubinterpreters"}

NATIVE = "fournil._native"


def loaded(statement: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_import_fournil_alone() -> None:
    added = loaded("import fournil") - loaded(
        "from __future__ import annotations; import importlib, typing"
    )
    assert added == {"fournil"}


@pytest.mark.parametrize("name", ["run", "Recorder", "timed"])
def test_public_name_over_asyncio(name: str) -> None:
    added = loaded(f"from fournil import {name}") - loaded("import asyncio, typing")
    assert not added & HEAVY
    known = sys.stdlib_module_names | cython_roots(added) | INTERPRETERS
    assert roots(added) - {"fournil"} <= known


def cython_roots(names: set[str]) -> set[str]:
    """Return the modules that Cython makes when a compiled one is loaded, as `_cython_3_2`."""
    return {root for root in roots(names) if root.startswith(("_cython_", "cython_runtime"))}


def test_timed_loads_no_native_module() -> None:
    assert not any(name.startswith(NATIVE) for name in loaded("from fournil import timed"))
