"""Packed numbers: ticks to nanoseconds, 32-bit durations, buckets of a histogram."""

from __future__ import annotations

from fournil.record.layout import TURN_BUCKETS

COARSE_BIT = 1 << 31
COARSE_SHIFT = 12
"""A 32-bit duration counts ticks; with the top bit set it counts units of 4096 ticks."""


def unpack_ticks(packed: int) -> int:
    """Return the ticks that a 32-bit duration stands for (exact to one part in 500,000)."""
    if packed & COARSE_BIT:
        return (packed & ~COARSE_BIT) << COARSE_SHIFT
    return packed


def unpack_all(packed: list[int]) -> list[int]:
    """Return the ticks that many 32-bit durations stand for: most are exact as they are."""
    if packed and max(packed) >= COARSE_BIT:
        return [ticks if ticks < COARSE_BIT else unpack_ticks(ticks) for ticks in packed]
    return packed


def pack_ticks(ticks: int) -> int:
    """Return the 32-bit form of a duration in ticks, at most about an hour."""
    if ticks < COARSE_BIT:
        return max(ticks, 0)
    return COARSE_BIT | min(ticks >> COARSE_SHIFT, COARSE_BIT - 1)


def turn_bucket(ticks: int) -> int:
    """Return the bucket of a turn's histogram for a duration in ticks.

    Each power of two is cut into eight buckets, so a bucket is known to within 12.5 %.
    """
    if ticks < 8:
        return ticks
    exponent = ticks.bit_length() - 4
    return min((exponent + 1) * 8 + ((ticks >> exponent) & 7), TURN_BUCKETS - 1)


def bucket_bounds(bucket: int) -> tuple[int, int]:
    """Return the least duration of a bucket and the least of the next, in ticks.

    >>> low, high = bucket_bounds(turn_bucket(1000))
    >>> low <= 1000 < high
    True
    """
    if bucket < 8:
        return bucket, bucket + 1
    exponent, part = bucket // 8 - 1, bucket % 8
    return (8 + part) << exponent, (9 + part) << exponent


class Clock:
    """Turns ticks into seconds since the recording's start.

    Two readings of (nanoseconds, ticks) taken at the start and later give the rate.
    """

    def __init__(self, start: tuple[int, int], later: tuple[int, int]) -> None:
        self.start_ns, self.start_ticks = start
        elapsed = later[1] - self.start_ticks
        self.ns_per_tick = (later[0] - self.start_ns) / elapsed if elapsed > 0 else 1.0

    def seconds(self, tick: int) -> float:
        """Return when a tick was, in seconds since the recording's start."""
        return (tick - self.start_ticks) * self.ns_per_tick / 1e9

    def duration(self, ticks: int) -> float:
        """Return how long a number of ticks lasts, in seconds."""
        return ticks * self.ns_per_tick / 1e9
