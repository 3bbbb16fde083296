"""Measuring on a machine that others use too: a niceness that counts against theirs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

GROUP = Path("/proc/self/autogroup")


@contextlib.contextmanager
def niceness(wanted: int) -> Iterator[None]:
    """Give it to this process and to all that it starts meanwhile; below 0 takes root."""
    os.nice(wanted)
    if not wanted or not GROUP.exists():
        yield
        return
    # Where Linux groups processes by session, a process's niceness counts within its group
    # alone, and the group has one of its own.
    before = GROUP.read_text().split()[-1]
    GROUP.write_text(str(wanted))
    try:
        yield
    finally:
        GROUP.write_text(before)
