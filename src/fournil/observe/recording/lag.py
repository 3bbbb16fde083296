"""Lag: how late a loop is, from how long its turns lasted.

A running loop either waits in the kernel, where a new callback would run at once, or it is
inside a turn, where a new callback waits for the turn's end: at a moment that lies `t` into
a turn of length `T` the lag is `T - t`. Over the time that the loop ran, the share of
moments with a lag above `x` is therefore

    F(x) = sum over turns of max(0, T - x) / run time

p50 and p99 are the least lags that 50 % and 99 % of all moments do not exceed; max is the
longest turn. Every moment weighs the same, so one blocked second counts as one second, and
not as one turn among a million.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fournil.record.units import bucket_bounds


class Lag(NamedTuple):
    """The lag that half, 99 % and all of the moments of a run do not exceed, in seconds."""

    p50: float
    p99: float
    max: float


def lag_of_turns(turns: Iterable[tuple[float, int]], run: float) -> Lag:
    """Return the lag of a loop that ran for `run`, from pairs of (length, count) of turns.

    >>> lag_of_turns([(1.0, 1)], 10.0)
    Lag(p50=0.0, p99=0.9, max=1.0)
    """
    longest_first = sorted(((t, n) for t, n in turns if t > 0 and n > 0), reverse=True)
    if not longest_first:
        return Lag(0.0, 0.0, 0.0)
    # Turns that overlap the end of the measured time must not make shares above one.
    run = max(run, sum(length * count for length, count in longest_first))
    return Lag(
        _exceeded_for(longest_first, 0.50 * run),
        _exceeded_for(longest_first, 0.01 * run),
        longest_first[0][0],
    )


def _exceeded_for(longest_first: Sequence[tuple[float, int]], time: float) -> float:
    """Return the lag that is exceeded for just `time`, or 0 where none is for that long.

    Between the lengths of two turns, the time above `x` falls by one for each longer turn.
    """
    count = 0
    total = 0.0
    for index, (length, times) in enumerate(longest_first):
        count += times
        total += length * times
        shorter = longest_first[index + 1][0] if index + 1 < len(longest_first) else 0.0
        if total - count * shorter >= time:
            return max(0.0, (total - time) / count)
    return 0.0


def turns_of_buckets(buckets: Sequence[int], longest: int) -> list[tuple[float, int]]:
    """Return (length in ticks, count) of the turns in a histogram.

    A bucket stands for its middle. `longest` is the exact longest turn: where it lies in the
    top bucket, one turn lasted that long, and the bucket's others no longer.
    """
    turns: list[tuple[float, int]] = []
    for bucket, count in enumerate(buckets):
        if count:
            low, high = bucket_bounds(bucket)
            turns.append(((low + high) / 2, count))
    top = max((bucket for bucket, count in enumerate(buckets) if count), default=0)
    low = bucket_bounds(top)[0]
    if turns and longest >= low:
        _, count = turns.pop()
        turns += [((low + longest) / 2, count - 1), (float(longest), 1)]
    return turns
