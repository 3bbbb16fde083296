"""Files that are recordings, files that are not, and files that change while they are read."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fournil.errors import (
    RecordingDamagedError,
    RecordingError,
    RecordingFormatError,
    RecordingVersionError,
)
from fournil.observe.recording import reading
from fournil.observe.recording.live import snapshot
from fournil.observe.recording.reading import (
    UNSAFE_ENTRIES,
    Delta,
    Sections,
    read_buffer,
    read_file,
)
from fournil.record import layout
from fournil.record.kinds import Kind
from tests.observe.builder import Builder, tick


def with_field(data: bytes, **values: int) -> bytes:
    """Return a recording with other numbers in its header."""
    changed = bytearray(data)
    for field in layout.HEADER.fields:
        if field.name in values:
            size = 4 if field.format == "I" else 8
            number = values[field.name].to_bytes(size, "little")
            changed[field.offset : field.offset + size] = number
    return bytes(changed)


def begins(raw: Delta) -> list[int]:
    return [entry[0] for entry in layout.EVENT.iter_unpack(raw.events)]


def recording(steps: int = 5, *, events: int = 256, closed: bool = True) -> bytes:
    builder = Builder(events=events).end(10.0, closed=closed)
    for number in range(steps):
        builder.event(Kind.TASK, number / 1000)
    return builder.build()


def test_a_file_reads_as_a_buffer_does(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(recording())
    assert read_file(str(path)) == read_buffer(path.read_bytes())
    assert begins(read_file(str(path))) == [tick(number / 1000) for number in range(5)]


def test_bytes_after_the_recording_do_no_harm() -> None:
    assert read_buffer(recording() + b"tail") == read_buffer(recording())


# What is not a recording.


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", RecordingFormatError, "is empty"),
        (b"\x7fELF\x02\x01\x01\x00", RecordingFormatError, r"begins with b'\x7fELF\x02\x01\x01"),
        (b"no\n", RecordingFormatError, r"begins with b'no\n'"),
        (bytes(100_000), RecordingFormatError, "is not a recording"),
        (b"FOURN", RecordingDamagedError, "a header has 4,096 bytes, the file 5"),
        (recording()[:4_000], RecordingDamagedError, "a header has 4,096 bytes, the file 4,000"),
        (recording()[:5_000], RecordingDamagedError, "the file has 5,000"),
        (with_field(recording(), version=9), RecordingVersionError, "has version 9 of the format"),
        (with_field(recording(), header_size=64), RecordingDamagedError, "it has 64 bytes"),
        (with_field(recording(), events_offset=1 << 60), RecordingDamagedError, "'events'"),
        (with_field(recording(), tasks_count=1 << 60), RecordingDamagedError, "'tasks'"),
        (with_field(recording(), text_offset=8), RecordingDamagedError, "'text'"),
        (with_field(recording(), clock_ns=0), RecordingDamagedError, "its clock stood still"),
    ],
)
def test_what_is_no_recording_is_told_with_what_it_is(
    tmp_path: Path, content: bytes, error: type[RecordingError], message: str
) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(content)
    with pytest.raises(error, match=re.escape(message)) as raised:
        read_file(str(path))
    assert str(raised.value).startswith(f"{path}: ")
    assert type(raised.value) is error


def test_a_recording_that_is_cut_short_says_both_sizes() -> None:
    data = recording()
    with pytest.raises(RecordingDamagedError, match=f"says {len(data):,} bytes, the file has 9,"):
        read_buffer(data[:9_999], "run.rec")


def test_sections_that_overlap_are_damage() -> None:
    header = layout.HEADER.unpack(recording())
    data = with_field(recording(), sites_offset=header["text_offset"])
    with pytest.raises(RecordingDamagedError, match="claims the bytes"):
        read_buffer(data)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no such file"):
        read_file(str(tmp_path / "absent.rec"))


def test_a_directory_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is a directory"):
        read_file(str(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordingError, match="is not a regular file"):
        read_file(str(tmp_path / "pipe"))


def test_a_path_that_no_file_can_have_is_told() -> None:
    with pytest.raises(RecordingError, match=r"null (byte|character)"):
        read_file("run\0.rec")


def test_a_file_of_another_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as root, to whom every file is open.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "run.rec"
    path.write_bytes(recording())
    monkeypatch.setattr(reading, "FileIO", refuse)
    with pytest.raises(RecordingError, match="no permission to read it"):
        read_file(str(path))


# Rings.


def test_a_full_ring_keeps_the_latest_in_order_and_counts_the_rest() -> None:
    raw = read_buffer(recording(300, events=256))
    assert begins(raw) == [tick(number / 1000) for number in range(44, 300)]
    assert raw.events_dropped == 44


def test_a_ring_just_full_lost_nothing() -> None:
    raw = read_buffer(recording(256, events=256))
    assert len(begins(raw)) == 256
    assert raw.events_dropped == 0


def test_the_oldest_entries_of_a_running_programs_ring_are_not_trusted() -> None:
    raw = read_buffer(recording(3_000, events=1_024, closed=False))
    assert raw.events_dropped == 3_000 - 1_024 + UNSAFE_ENTRIES
    assert begins(raw)[0] == tick(raw.events_dropped / 1000)


def test_a_place_handed_out_and_not_yet_written_is_left_out() -> None:
    raw = read_buffer(with_field(recording(5, closed=False), events_head=9))
    assert len(begins(raw)) == 5


def test_an_empty_ring_may_have_no_places() -> None:
    raw = read_buffer(recording(0, events=0))
    assert (raw.events, raw.events_dropped) == (b"", 0)


# Slots.


def slot_of(data: bytes, section: str, slot: int) -> slice:
    """Return where a slot is in a recording."""
    size = layout.ENTRIES[section].size
    at = layout.HEADER.unpack(data)[f"{section}_offset"] + slot * size
    return slice(at, at + size)


def occupied(task: int, *, recycled: int) -> bytes:
    builder = Builder(tasks_recycled=recycled).end(9.0, closed=False)
    sites = [builder.site("one"), builder.site("two")]
    builder.task(sites[task % 2], id=7, name=7)
    builder.task(sites[task % 2], id=task, name=task, steps=task)
    builder.loop(sequence=task, number=task, begin=task, subject=task, steps=task)
    builder.pool("ThreadPool", task, opened=1.0, number=task)
    builder.worker(task, "a worker", sites[task % 2], sequence=task, call=task, since=task)
    return builder.build()


@pytest.mark.parametrize("section", ["tasks", "threads", "loops", "pools", "workers"])
def test_a_slot_that_is_given_to_another_while_it_is_read_is_left_out(section: str) -> None:
    before, after = occupied(11, recycled=0), occupied(12, recycled=1)
    place = slot_of(before, section, 1 if section == "tasks" else 0)
    old, new, empty = before[place], after[place], bytes(place.stop - place.start)
    half = (old[4 : len(old) // 2] + new[len(old) // 2 :], old[4:], new[4:])
    # The number goes before anything is written, and comes back after all was.
    stages = [before] + [
        after[: place.start] + empty[:4] + others + after[place.stop :] for others in half
    ]
    begin = layout.THREAD.offset("begin")
    whole = {old, new, empty}
    if section == "threads":
        whole |= {one[:begin] + bytes(8) + one[begin + 8 :] for one in whole}
    for first in range(40):

        def write(reads: int) -> bytes:
            stage = max(0, reads - first)  # noqa: B023
            return stages[stage] if stage < len(stages) else after

        raw = Sections("live", Live(before, write).read).poll(len(before))
        size = layout.ENTRIES[section].size
        slot = getattr(raw, section)[-size:] if section == "tasks" else getattr(raw, section)[:size]
        assert slot.startswith(empty[:4]) or slot in whole, first


@pytest.mark.parametrize("section", ["tasks", "pools", "workers", "loops"])
def test_a_slot_that_is_being_written_is_no_ones(section: str) -> None:
    data = occupied(11, recycled=0)
    place = slot_of(data, section, 1 if section == "tasks" else 0)
    half = data[: place.start] + bytes(4) + data[place.start + 4 :]
    found = snapshot(read_buffer(half))
    seen = {
        "tasks": list(found.tasks),
        "loops": [loop.number for loop in found.loops],
        "pools": [pool.number for pool in found.pools],
        "workers": [worker.pool for worker in found.workers],
    }
    assert seen[section] == ([7] if section == "tasks" else [])


def test_a_step_that_changes_while_it_is_read_is_none() -> None:
    before, after = occupied(11, recycled=0), occupied(11, recycled=0)
    at = layout.HEADER.unpack(before)["threads_offset"] + layout.THREAD.offset("begin")
    after = before[:at] + tick(12).to_bytes(8, "little") + before[at + 8 :]
    seen = set()
    for first in range(1, 40):
        live = Live(before, lambda reads: after if reads >= first else before)  # noqa: B023
        raw = Sections("live", live.read).poll(len(before))
        seen.add(layout.THREAD.unpack(raw.threads)["begin"])
    assert seen == {tick(11), 0, tick(12)}


class Live:
    """A recording whose writer goes on while it is read."""

    def __init__(self, data: bytes, write: Callable[[int], bytes]) -> None:
        self._data = data
        self._write = write
        self._reads = 0

    def read(self, offset: int, size: int) -> bytes:
        self._reads += 1
        self._data = self._write(self._reads) or self._data
        return self._data[offset : offset + size]


def test_entries_overwritten_while_they_are_read_are_dropped() -> None:
    before = recording(300, events=256, closed=False)
    after = with_field(before, events_head=400)
    ring = layout.HEADER.unpack(before)["events_offset"]
    seen_ring = []

    def read(offset: int, size: int) -> bytes:
        if offset == ring:
            seen_ring.append(offset)
        # The writer is 100 events further as soon as the ring itself was read.
        return (after if seen_ring else before)[offset : offset + size]

    raw = Sections("live", read).poll(len(before))
    margin = 256 // 8
    assert raw.events_dropped == 400 - 256 + margin
    assert begins(raw) == [tick(number / 1000) for number in range(144 + margin, 300)]


def test_a_writer_that_laps_the_reader_leaves_nothing() -> None:
    before = recording(300, events=256, closed=False)
    ring = layout.HEADER.unpack(before)["events_offset"]
    after = with_field(before, events_head=900)
    seen_ring = []

    def read(offset: int, size: int) -> bytes:
        if offset == ring:
            seen_ring.append(offset)
        return (after if seen_ring else before)[offset : offset + size]

    raw = Sections("live", read).poll(len(before))
    assert raw.events == b""
    assert raw.events_dropped == 300


def test_a_pair_of_clocks_is_never_read_half_written() -> None:
    whole = recording(closed=False)
    half = with_field(whole, clock_sequence=1, clock_ns=12345)
    done = with_field(whole, clock_sequence=2, clock_ns=99_000_000_000)
    live = Live(half, lambda reads: done if reads > 3 else b"")
    raw = Sections("live", live.read).poll(len(whole))
    assert raw.header["clock_ns"] == 99_000_000_000


def test_a_program_killed_between_two_clocks_is_read_all_the_same() -> None:
    raw = read_buffer(with_field(recording(closed=False), clock_sequence=1))
    assert raw.header["clock_sequence"] == 1


def test_a_file_cut_while_it_is_read_gives_whole_entries() -> None:
    data = recording()
    cut = layout.HEADER.unpack(data)["events_offset"] + 100

    def read(offset: int, size: int) -> bytes:
        return data[offset : min(offset + size, cut)]

    raw = Sections("live", read).poll(len(data))
    assert len(raw.events) == 96


def test_whether_the_program_runs_is_seen_from_its_mapping(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    path.write_bytes(with_field(recording(closed=False), pid=os.getpid()))
    assert not read_file(str(path)).alive
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        assert read_file(str(path)).alive
        path.write_bytes(with_field(recording(), pid=os.getpid()))
        assert not read_file(str(path)).alive
