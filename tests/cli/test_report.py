"""`fournil report`, where its report cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fournil
from tests.launch.running import run

REPORT = (sys.executable, "-m", "fournil", "report")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.fournil"
    with fournil.Recorder(path):
        pass
    return path


@pytest.mark.parametrize("words", [[], ["--json", "-"]])
@pytest.mark.parametrize("colours", ["", "1"])
def test_a_full_disk(words: list[str], colours: str, kept: Path) -> None:
    done = run(
        ["sh", "-c", 'exec "$@" > /dev/full', "sh", *REPORT, *words, str(kept)],
        cwd=kept.parent,
        environment={"FORCE_COLOR": colours},
    )
    assert done.status == 2
    *_, last = done.stderr.splitlines()
    assert "cannot write " in last
    assert last.endswith("No space left on device")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", [[], ["--json", "-"]])
@pytest.mark.parametrize("colours", ["", "1"])
def test_a_reader_that_has_enough(words: list[str], colours: str, kept: Path) -> None:
    # The pipe has no reader from the start, so that it makes no odds who is faster.
    command = ["sh", "-c", 'FORCE_COLOR=$0 "$@" | true', colours, *REPORT, *words, str(kept)]
    done = subprocess.run(command, cwd=kept.parent, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_packages_of_ones_own(kept: Path) -> None:
    assert run([*REPORT, "--mine", "my-shop", str(kept)], cwd=kept.parent).status == 0
    refused = run([*REPORT, "--mine", "my shop", str(kept)], cwd=kept.parent)
    assert refused.status == 2
    assert "'my shop' is no package" in refused.stderr
