"""A file holds one subject: what needs more than 500 lines for it, holds two."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 500
WRITTEN = ("*.py", "*.pyx", "*.pxd", "*.pyi", "*.h", "*.c", "*.js", "*.css")


def test_no_file_is_longer_than_one_subject() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: which files are written by hand is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *WRITTEN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    assert len(files) > 100
    long = {
        str(file.relative_to(ROOT)): lines
        for file in files
        if file.exists() and (lines := len(file.read_bytes().splitlines())) > LIMIT
    }
    assert not long, "split by subject, not by size"
