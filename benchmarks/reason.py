"""Why a process failed, from what it wrote to stderr. Pure."""

from __future__ import annotations

import re

A_RAISED_ERROR = re.compile(r"[\w.]*(Error|Exception)\b")


def reason(stderr: str) -> str:
    """Return the line that names the exception, which warnings at exit may follow."""
    lines = stderr.strip().splitlines() or ["nothing on stderr"]
    return next((line for line in reversed(lines) if A_RAISED_ERROR.match(line)), lines[-1])
