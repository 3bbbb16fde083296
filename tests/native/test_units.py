"""Packed numbers: what is lost, and what is not."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from fournil.record import units
from fournil.record.layout import TURN_BUCKETS

EXACT = units.COARSE_BIT - 1
LONGEST = ((units.COARSE_BIT - 1) << units.COARSE_SHIFT) | ((1 << units.COARSE_SHIFT) - 1)


@given(st.integers(0, EXACT))
def test_short_durations_are_kept_exactly(ticks: int) -> None:
    assert units.unpack_ticks(units.pack_ticks(ticks)) == ticks


@given(st.integers(0, LONGEST))
def test_durations_are_kept_to_one_part_in_half_a_million(ticks: int) -> None:
    unpacked = units.unpack_ticks(units.pack_ticks(ticks))
    assert unpacked <= ticks
    assert ticks - unpacked <= ticks / 500_000


@given(st.integers(-(2**70), 2**70))
def test_every_duration_fits_in_32_bits(ticks: int) -> None:
    assert 0 <= units.pack_ticks(ticks) < 1 << 32


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_a_longer_duration_is_not_shorter_when_packed(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert units.unpack_ticks(units.pack_ticks(low)) <= units.unpack_ticks(units.pack_ticks(high))


@given(st.integers(0, (1 << 32) - 1))
def test_what_is_unpacked_packs_to_the_same(packed: int) -> None:
    ticks = units.unpack_ticks(packed)
    again = units.pack_ticks(ticks)
    assert units.unpack_ticks(again) == ticks


@given(st.integers(0, 2**63))
def test_a_turn_is_within_its_bucket(ticks: int) -> None:
    bucket = units.turn_bucket(ticks)
    assert 0 <= bucket < TURN_BUCKETS
    low, high = units.bucket_bounds(bucket)
    assert low <= ticks
    assert ticks < high or bucket == TURN_BUCKETS - 1
    assert high - low <= max(low / 8, 1)


def test_buckets_join_without_gaps() -> None:
    bounds = [units.bucket_bounds(bucket) for bucket in range(TURN_BUCKETS)]
    assert bounds[0][0] == 0
    for (_, end), (begin, _) in pairwise(bounds):
        assert end == begin
    for bucket, (low, high) in enumerate(bounds):
        assert units.turn_bucket(low) == bucket
        assert units.turn_bucket(high - 1) == bucket


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_a_longer_turn_is_in_no_earlier_bucket(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert units.turn_bucket(low) <= units.turn_bucket(high)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.floats(0.1, 10), st.integers(10**6, 10**12))
def test_a_clock_turns_ticks_into_seconds(
    start_ns: int, start_ticks: int, ticks_per_ns: float, elapsed_ns: int
) -> None:
    elapsed_ticks = int(elapsed_ns * ticks_per_ns)
    clock = units.Clock(
        (start_ns, start_ticks), (start_ns + elapsed_ns, start_ticks + elapsed_ticks)
    )
    assert clock.seconds(start_ticks) == 0
    seconds = elapsed_ns / 1e9
    assert abs(clock.seconds(start_ticks + elapsed_ticks) - seconds) <= seconds * 1e-9
    assert abs(clock.duration(elapsed_ticks) - seconds) <= seconds * 1e-9


def test_a_clock_that_was_read_once() -> None:
    assert units.Clock((5, 7), (5, 7)).duration(1_000_000_000) == 1.0
