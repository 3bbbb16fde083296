"""Lag from turns, against a count of moments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from fournil.observe.recording.lag import Lag, lag_of_turns, turns_of_buckets
from fournil.record import units
from fournil.record.layout import TURN_BUCKETS

TURNS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 4)), min_size=1, max_size=12)
STEPS_A_UNIT = 40


def counted(turns: list[tuple[int, int]], idle: int) -> Lag:
    """Return the lag by looking at the loop at many moments, evenly apart."""
    lags = [0.0] * (idle * STEPS_A_UNIT)
    for length, count in turns:
        moments = [(step + 0.5) / STEPS_A_UNIT for step in range(length * STEPS_A_UNIT)]
        lags += [length - moment for moment in moments] * count
    lags.sort()

    def percentile(share: float) -> float:
        return lags[math.ceil(share * len(lags)) - 1]

    return Lag(percentile(0.50), percentile(0.99), max(length for length, _ in turns))


@given(TURNS, st.integers(0, 300))
def test_lag_is_what_looking_at_many_moments_gives(turns: list[tuple[int, int]], idle: int) -> None:
    run = idle + sum(length * count for length, count in turns)
    lag = lag_of_turns([(float(length), count) for length, count in turns], float(run))
    expected = counted(turns, idle)
    assert lag.max == expected.max
    assert lag.p50 == pytest.approx(expected.p50, abs=1.5 / STEPS_A_UNIT)
    assert lag.p99 == pytest.approx(expected.p99, abs=1.5 / STEPS_A_UNIT)


def test_a_blocked_second_counts_as_a_second_and_not_as_one_turn() -> None:
    turns = [(1.0, 1), (0.000_01, 100_000)]
    assert lag_of_turns(turns, 10.0).p99 == pytest.approx(0.9, abs=0.001)


def test_a_loop_that_only_waited_has_no_lag() -> None:
    assert lag_of_turns([], 10.0) == Lag(0.0, 0.0, 0.0)


def test_turns_longer_than_the_run_give_no_share_above_one() -> None:
    assert lag_of_turns([(4.0, 1)], 0.0) == pytest.approx(Lag(2.0, 3.96, 4.0))


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=30))
def test_a_histogram_keeps_lengths_within_an_eighth(lengths: list[int]) -> None:
    buckets = [0] * TURN_BUCKETS
    for length in lengths:
        buckets[units.turn_bucket(length)] += 1
    turns = turns_of_buckets(buckets, max(lengths))
    restored = sorted(length for length, count in turns for _ in range(count))
    assert len(restored) == len(lengths)
    assert restored[-1] == max(lengths)
    for exact, near in zip(sorted(lengths), restored, strict=True):
        assert near == pytest.approx(exact, rel=0.125, abs=1)


def test_a_longest_step_below_the_top_bucket_leaves_the_longest_turn() -> None:
    buckets = [0] * TURN_BUCKETS
    buckets[units.turn_bucket(1_000)] = 1
    (length, count), *rest = turns_of_buckets(buckets, 10)
    assert (count, rest) == (1, [])
    assert length == pytest.approx(1_000, rel=0.125)
