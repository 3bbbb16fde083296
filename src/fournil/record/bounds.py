"""What a recorder may be told: the threshold and the recording's size, and their bounds."""

from __future__ import annotations

import math
import re

from fournil.record.layout import MAXIMUM_SIZE, MINIMUM_SIZE

SHORTEST_THRESHOLD, LONGEST_THRESHOLD = 0.001, 3600.0  # seconds

_UNITS = {
    "K": 1 << 10, "KiB": 1 << 10, "kB": 10**3,
    "M": 1 << 20, "MiB": 1 << 20, "MB": 10**6,
    "G": 1 << 30, "GiB": 1 << 30, "GB": 10**9,
}  # fmt: skip
_SIZE = re.compile(rf"(\d+\.?\d*|\.\d+)\s*({'|'.join(_UNITS)})", re.ASCII)


def threshold(seconds: float) -> float:
    """Return a threshold, in seconds; raise ValueError where it is none."""
    if not (math.isfinite(seconds) and SHORTEST_THRESHOLD <= seconds <= LONGEST_THRESHOLD):
        raise ValueError(
            f"threshold is a number of seconds from {SHORTEST_THRESHOLD:g} to"
            f" {LONGEST_THRESHOLD:g}, got {seconds!r}"
        )
    return seconds


def size(given: int | str) -> int:
    """Return the size of a recording in bytes; raise ValueError where it is none.

    Args:
        given: a number of bytes, or a text with its unit.

    >>> size("64M"), size("64MB")
    (67108864, 64000000)
    """
    if isinstance(given, str):
        match = _SIZE.fullmatch(given.strip())
        # Longer numbers are out of bounds, and may be none that a float can hold.
        if match is None or len(match[1]) > 20:
            raise ValueError(f"{given!r} is no size of a recording; write one as 64M or 1GiB")
        found = int(float(match[1]) * _UNITS[match[2]])
    else:
        found = given
    if not MINIMUM_SIZE <= found <= MAXIMUM_SIZE:
        least, most = MINIMUM_SIZE >> 20, MAXIMUM_SIZE >> 30
        raise ValueError(f"the size {given!r} of a recording is not between {least}M and {most}G")
    return found
