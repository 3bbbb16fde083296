"""Whose code an installed package is: the user's, where they say so or run it."""

from __future__ import annotations

import json
import site
from pathlib import Path
from typing import Any

import pytest

from tests.launch.running import FOURNIL, run, write

SHOP = """
import asyncio, time

def bake():
    time.sleep(0.12)

async def main():
    bake()

def run():
    asyncio.run(main())

if __name__ == "__main__":
    run()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package where packages of this user are; return its main file."""
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    monkeypatch.setattr(site, "USER_BASE", None)
    monkeypatch.setattr(site, "USER_SITE", None)
    packages = Path(site.getusersitepackages())
    write(packages, {"shop/__init__.py": "", "shop/__main__.py": SHOP})
    monkeypatch.setenv("PYTHONPATH", str(packages))
    write(tmp_path, {"app.py": "import shop.__main__\nshop.__main__.run()\n"})
    return packages / "shop/__main__.py"


def frames(folder: Path, *words: str) -> list[dict[str, Any]]:
    done = run([*FOURNIL, "--json", "report.json", *words], cwd=folder)
    assert done.status == 0, done.stderr
    (entry,) = json.loads((folder / "report.json").read_text())["blocked"]
    stack: list[dict[str, Any]] = entry["stack"]
    return stack


@pytest.mark.parametrize(
    ("words", "is_own"),
    [
        (["-m", "shop"], True),
        (["app.py"], False),
        (["--mine", "shop", "app.py"], True),
        (["--mine=other", "--mine", "shop", "app.py"], True),
        (["--mine", "other", "app.py"], False),
    ],
)
def test_a_package(words: list[str], is_own: bool, installed: Path, tmp_path: Path) -> None:
    of_shop = [frame for frame in frames(tmp_path, *words) if frame["file"] == str(installed)]
    assert of_shop
    assert all(frame["own"] == is_own for frame in of_shop)


def test_a_report_of_a_recording(installed: Path, tmp_path: Path) -> None:
    assert run([*FOURNIL, "--record", "kept", "app.py"], cwd=tmp_path).status == 0
    for words, is_own in (([], False), (["--mine", "shop"], True)):
        command = [*FOURNIL[:3], "report", *words, "--json", "report.json", "kept"]
        assert run(command, cwd=tmp_path).status == 0
        (entry,) = json.loads((tmp_path / "report.json").read_text())["blocked"]
        assert any(frame["own"] for frame in entry["stack"]) == is_own


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    done = run([*FOURNIL, "--mine", "a b", "-c", "pass"], cwd=tmp_path)
    assert done.status == 2
    assert "'a b' is no package" in done.stderr
