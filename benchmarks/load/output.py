"""What a load's program printed."""

from __future__ import annotations

import subprocess

from benchmarks.errors import MeasurementError


def output(command: list[str], timeout: float) -> str:
    """Return it; raise MeasurementError if it failed or took longer than `timeout` seconds."""
    try:
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"the load had no result after {timeout} s") from error
    if ended.returncode != 0:
        raise MeasurementError(f"the load ended: {ended.stderr.strip() or ended.returncode}")
    return ended.stdout
