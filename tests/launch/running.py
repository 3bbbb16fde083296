"""Runs programs under `python` and under `fournil run`, to compare what they do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PYTHON = (sys.executable,)
FOURNIL = (sys.executable, "-m", "fournil", "run", "--no-report")

TIMEOUT = 60


class Result(NamedTuple):
    """What a program did, as seen from outside."""

    stdout: str
    stderr: str
    status: int  # negative: the signal that ended it


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
) -> Result:
    done = subprocess.run(
        command,
        cwd=cwd,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return Result(without_addresses(done.stdout), without_addresses(done.stderr), done.returncode)


def without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]{6,}", "0x...", text)


def both(
    words: Sequence[str],
    *,
    cwd: Path,
    stdin: str = "",
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[Result, Result]:
    """Return what a program does under `python` and under `fournil run`."""
    plain = run([*PYTHON, *flags, *words], cwd=cwd, stdin=stdin, environment=environment)
    ours = [PYTHON[0], *flags, *FOURNIL[1:], *words]
    return plain, run(ours, cwd=cwd, stdin=stdin, environment=environment)


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
