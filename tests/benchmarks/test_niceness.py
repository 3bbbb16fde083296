"""A niceness for what is measured, and its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CODE = """
import os
from benchmarks.niceness import GROUP, niceness

def group():
    return GROUP.read_text().split()[-1] if GROUP.exists() else None

before = group()
with niceness(5):
    assert os.nice(0) == 5
    assert group() in ("5", None)
assert group() == before
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change it twice within 100 ms")
def test_niceness_ends() -> None:
    # A session of its own: it is the whole session's.
    ended = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        start_new_session=True,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
