"""The build says plainly where Fournil cannot be installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def builds(name: str, cores: int) -> str:
    """Return how many processes Cython and the compiler get from setup.py, run under a name."""
    # What builds is in the environment of a build alone.
    code = (
        "import os, runpy, sys, types\n"
        "def module(**names): return types.SimpleNamespace(**names)\n"
        "sys.modules['Cython'] = module()\n"
        "sys.modules['Cython.Build'] = module(cythonize=lambda *_, nthreads, **__: nthreads)\n"
        "def setup(*, ext_modules, options):\n"
        "    print(ext_modules, options['build_ext']['parallel'])\n"
        "sys.modules['setuptools'] = module(setup=setup, Extension=lambda *_, **__: None)\n"
        f"os.sched_getaffinity = lambda _: set(range({cores}))\n"
        f"runpy.run_path('setup.py', run_name={name!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(("cores", "at_once"), [(1, "0 1\n"), (2, "2 2\n"), (64, "8 8\n")])
def test_all_cores_build(cores: int, at_once: str) -> None:
    assert builds("__main__", cores) == at_once


def test_a_process_of_cython_s_that_imports_it_builds_nothing() -> None:
    assert builds("__mp_main__", 2) == ""


def set_up(pretend: str) -> subprocess.CompletedProcess[str]:
    """Run setup.py, which only names itself, in an interpreter that takes itself for another."""
    code = (
        "import platform, runpy, sys\n"
        f"{pretend}\n"
        "sys.argv = ['setup.py', '--name']\n"
        "runpy.run_path('setup.py', run_name='__main__')\n"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("pretend", "found"),
    [
        ("sys.platform = 'darwin'", f"CPython {sys.version.split()[0]} on darwin"),
        ("sys.platform = 'win32'", f"CPython {sys.version.split()[0]} on win32"),
        (
            "sys.implementation.name = 'pypy'; platform.python_implementation = lambda: 'PyPy'",
            "PyPy",
        ),
        ("sys.version_info = (3, 10, 9); platform.python_version = lambda: '3.10.9'", "3.10.9"),
        ("sys.version_info = (3, 16, 0); platform.python_version = lambda: '3.16.0'", "3.16.0"),
    ],
)
def test_an_unsupported_platform_is_named(pretend: str, found: str) -> None:
    ended = set_up(pretend)
    assert ended.returncode == 1
    assert "fournil does not support" in ended.stderr
    assert found in ended.stderr
    assert "Linux" in ended.stderr
    assert "CPython 3.11 to 3.15" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("supported", ["3.11", "3.15"])
def test_builders_and_metadata_agree(supported: str) -> None:
    assert f"Python :: {supported}" in (ROOT / "pyproject.toml").read_text()
    assert supported in (ROOT / "README.md").read_text()
    numbers = ", ".join(supported.split("."))
    for builder in ("setup.py", "tools/make_venv.py"):
        assert f"({numbers})" in (ROOT / builder).read_text()
