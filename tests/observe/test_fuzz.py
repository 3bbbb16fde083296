"""Whatever a file holds, reading it gives a report or a RecordingError, and soon."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from functools import cache

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from fournil.errors import RecordingError
from fournil.observe.advice.advisor import Advisor
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import read_buffer
from fournil.observe.report import render
from fournil.observe.report.document import as_dict
from fournil.observe.report.findings import find
from fournil.observe.report.sections import lines_of
from fournil.observe.report.sheet import View
from fournil.record import layout
from tests.observe import samples

SAMPLES = (samples.bakery, samples.calm, samples.script, samples.killed, samples.pools)
LEAST_OF_FEW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
NUMBERS = st.one_of(
    st.integers(0, 64),
    st.integers(0, (1 << 64) - 1),
    st.sampled_from([1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]),
)


@cache
def recording(number: int) -> bytes:
    return SAMPLES[number]().build()


def report(data: bytes) -> None:
    """Read, judge and show a recording in each form."""
    with contextlib.suppress(RecordingError):
        recording = snapshot(read_buffer(data))
        found = find(recording, Advisor(recording))
        text = render.plain(lines_of(found, View()))
        assert all(line.isprintable() for line in text.splitlines())
        json.dumps(as_dict(found), allow_nan=False)


@LEAST_OF_FEW
@given(st.binary(max_size=20_000))
def test_random_bytes(data: bytes) -> None:
    report(data)


@LEAST_OF_FEW
@given(st.binary(max_size=layout.HEADER_SIZE))
def test_random_bytes_behind_the_right_beginning(data: bytes) -> None:
    start = layout.MAGIC + layout.VERSION.to_bytes(4, "little")
    header = start + layout.HEADER_SIZE.to_bytes(4, "little") + data
    report(header.ljust(2 * layout.HEADER_SIZE, b"\0"))


@LEAST_OF_FEW
@given(st.integers(0, len(SAMPLES) - 1), st.integers(0, 200_000))
def test_a_recording_that_is_cut_short(number: int, size: int) -> None:
    report(recording(number)[:size])


@settings(LEAST_OF_FEW, max_examples=400)
@example(number=0, changes=[(4203, 127)])
@given(
    st.integers(0, len(SAMPLES) - 1),
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 255)), max_size=40),
)
def test_a_recording_with_bytes_changed(number: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(recording(number))
    for at, value in changes:
        data[at % len(data)] = value
    report(bytes(data))


@settings(LEAST_OF_FEW, max_examples=400)
@given(
    st.integers(0, len(SAMPLES) - 1),
    st.lists(st.tuples(st.sampled_from(layout.HEADER.fields), NUMBERS), min_size=1, max_size=4),
)
def test_a_recording_with_other_numbers_in_its_header(
    number: int, changes: list[tuple[layout.Field, int]]
) -> None:
    data = bytearray(recording(number))
    for field, value in changes:
        size = 8 if field.format != "I" else 4
        data[field.offset : field.offset + size] = (value % (1 << 8 * size)).to_bytes(
            size, "little"
        )
    report(bytes(data))


@settings(LEAST_OF_FEW, max_examples=400)
@given(st.data())
def test_a_recording_with_other_numbers_in_an_entry(data: st.DataObject) -> None:
    changed = bytearray(recording(data.draw(st.integers(0, len(SAMPLES) - 1))))
    header = layout.HEADER.unpack(changed)
    section, entry = data.draw(st.sampled_from(list(layout.ENTRIES.items())))
    for _ in range(data.draw(st.integers(1, 6))):
        index = data.draw(st.integers(0, max(0, header[f"{section}_count"] - 1)))
        field = data.draw(st.sampled_from(entry.fields))
        size = {"B": 1, "H": 2, "I": 4, "Q": 8}[field.format[-1]]
        at = header[f"{section}_offset"] + index * entry.size + field.offset
        if at + size <= len(changed):
            value = data.draw(NUMBERS) % (1 << 8 * size)
            changed[at : at + size] = value.to_bytes(size, "little")
    report(bytes(changed))


@pytest.mark.parametrize(
    "field", ["text_size", *(f"{section}_count" for section in layout.ENTRIES)]
)
def test_a_header_that_claims_much_costs_no_memory(field: str) -> None:
    offset = next(of.offset for of in layout.HEADER.fields if of.name == field)
    data = bytearray(recording(0))
    data[offset : offset + 8] = (1 << 50).to_bytes(8, "little")
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError):
            read_buffer(bytes(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
