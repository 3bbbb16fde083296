"""A recording's file becomes its raw sections, checked: the only place that reads files.

The file may belong to a program that writes into it meanwhile. So it is read in pieces and
never mapped (a mapped file that is cut short kills its reader with SIGBUS), counters are
read before and after the rings, and ring entries that may have been overwritten in between
are left out and counted as dropped. No number in the file is trusted: offsets and counts
are checked against the file's real size, which also bounds the memory used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fournil.errors import (
    RecordingDamagedError,
    RecordingError,
    RecordingFormatError,
    RecordingVersionError,
)
from fournil.record import kinds, layout
from fournil.record.files import is_written_by
from fournil.record.layout import HEADER, HEADER_SIZE, MAGIC, VERSION

UNSAFE_ENTRIES = 64
"""So many of a full ring's oldest entries may be half overwritten while a program runs."""

CLOCK_TRIES = 100

Read = Callable[[int, int], bytes]
"""Returns up to `size` bytes from `offset` on, as they are now."""


@dataclass(frozen=True, slots=True)
class RawRecording:
    """The sections of a recording: bytes with whole entries, rings in order, oldest first."""

    header: dict[str, Any]
    text: bytes
    sites: bytes
    tasks: bytes
    threads: bytes
    pools: bytes
    samples: bytes
    events: bytes
    calls: bytes
    samples_dropped: int
    events_dropped: int
    calls_dropped: int
    alive: bool  # the program that writes it runs still


def read_file(path: str) -> RawRecording:
    """Return the sections of the recording at `path`; raise RecordingError if there is none."""
    try:
        # Opening a pipe would wait for its writer, so the kind comes first.
        _check_kind(path, Path(path).stat())
        with Path(path).open("rb", buffering=0) as file:
            descriptor = file.fileno()
            status = os.fstat(descriptor)
            _check_kind(path, status)

            def read(offset: int, size: int) -> bytes:
                return _read_at(descriptor, offset, size)

            raw = _read_sections(path, read, status.st_size)
            if not raw.header["ended_ticks"]:
                raw = replace(raw, alive=is_written_by(raw.header["pid"], status.st_ino))
            return raw
    except FileNotFoundError:
        raise RecordingError(
            f"{path}: there is no such file; give the path of a recording, "
            "as `fournil run --record FILE` writes it"
        ) from None
    except PermissionError:
        raise RecordingError(
            f"{path}: no permission to read it; a recording is private to the user who made it"
        ) from None
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from error


def read_buffer(buffer: bytes | bytearray | memoryview, name: str = "buffer") -> RawRecording:
    """Return the sections of a recording in memory; `name` is what errors call it."""
    view = memoryview(buffer).cast("B")

    def read(offset: int, size: int) -> bytes:
        return bytes(view[offset : offset + size])

    return _read_sections(name, read, len(view))


def _check_kind(path: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise RecordingError(f"{path}: is a directory; give the path of a recording in it")
    if not stat.S_ISREG(status.st_mode):
        raise RecordingError(f"{path}: is not a regular file; give the path of a recording")


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := os.pread(descriptor, size, offset)):
        pieces.append(piece)
        offset += len(piece)
        size -= len(piece)
    return b"".join(pieces)


def _read_sections(name: str, read: Read, size: int) -> RawRecording:
    header = _read_header(name, read, size)
    _check_sections(name, header)

    def slots(section: str, entry: layout.Layout, used: int) -> bytes:
        count = min(header[f"{section}_count"], used)
        return _whole(read(header[f"{section}_offset"], count * entry.size), entry)

    # Slot 0 may stand for what found no slot, so one more than `used` may be in use.
    threads = slots("threads", layout.THREAD, header["threads_count"])
    tasks = slots("tasks", layout.TASK, header["tasks_used"] + 1)
    sites = slots("sites", layout.SITE, header["sites_used"] + 1)
    pools = slots("pools", layout.POOL, header["pools_used"])
    samples, samples_dropped = _read_ring(read, header, "samples", layout.SAMPLE)
    events, events_dropped = _read_ring(read, header, "events", layout.EVENT)
    calls, calls_dropped = _read_ring(read, header, "calls", layout.CALL)
    # Text is never overwritten; read last, it has all that the entries above refer to.
    text = read(header["text_offset"], header["text_size"])
    return RawRecording(
        header=header,
        text=text,
        sites=sites,
        tasks=tasks,
        threads=threads,
        pools=pools,
        samples=_known(samples, layout.SAMPLE, _SAMPLE_KINDS),
        events=_known(events, layout.EVENT, _EVENT_KINDS),
        calls=calls,
        samples_dropped=samples_dropped,
        events_dropped=events_dropped,
        calls_dropped=calls_dropped,
        alive=False,
    )


def _read_header(name: str, read: Read, size: int) -> dict[str, Any]:
    if size == 0:
        raise RecordingFormatError(f"{name}: is empty; record the program again")
    data = read(0, HEADER_SIZE)
    if not data.startswith(MAGIC[: len(data)]):
        start = data[: len(MAGIC)]
        raise RecordingFormatError(
            f"{name}: is not a recording: it begins with {start!r}, "
            f"and a recording with {MAGIC!r}; record the program with `fournil run --record FILE`"
        )
    if len(data) < HEADER_SIZE:
        raise RecordingDamagedError(
            f"{name}: is cut short: a header has {HEADER_SIZE:,} bytes, the file {size:,}; "
            "copy it again, or record the program again"
        )
    header = HEADER.unpack(data)
    if header["version"] != VERSION:
        raise RecordingVersionError(
            f"{name}: has version {header['version']} of the format, and this Fournil reads "
            f"version {VERSION}; read it with the Fournil that recorded it"
        )
    if header["header_size"] != HEADER_SIZE:
        raise RecordingDamagedError(
            f"{name}: is damaged: its header says that it has {header['header_size']:,} bytes, "
            f"and it has {HEADER_SIZE:,}; record the program again"
        )
    if size < header["size"]:
        raise RecordingDamagedError(
            f"{name}: is cut short: its header says {header['size']:,} bytes, the file has "
            f"{size:,}; copy it again, or record the program again"
        )
    # The pair of clocks is renewed while the program runs; a program that was killed
    # between the two leaves the sequence odd for ever, with a pair that is off by little.
    for _ in range(CLOCK_TRIES):
        again = HEADER.unpack(read(0, HEADER_SIZE))
        if header["clock_sequence"] == again["clock_sequence"] and not again["clock_sequence"] & 1:
            break
        header = again
    elapsed = header["clock_ticks"] - header["started_ticks"]
    if elapsed > 0 and header["clock_ns"] <= header["started_ns"]:
        raise RecordingDamagedError(
            f"{name}: is damaged: its clock stood still for {elapsed:,} ticks; "
            "record the program again"
        )
    return header


def _check_sections(name: str, header: dict[str, Any]) -> None:
    """Check that the sections lie one after the other inside the file."""
    sections = [("text", header["text_offset"], header["text_size"])]
    for section, entry in _ENTRIES.items():
        size = header[f"{section}_count"] * entry.size
        sections.append((section, header[f"{section}_offset"], size))
    end = HEADER_SIZE
    for section, offset, size in sorted(sections, key=lambda item: item[1:]):
        if offset < end or offset + size > header["size"]:
            raise RecordingDamagedError(
                f"{name}: is damaged: its section {section!r} claims the bytes {offset:,} to "
                f"{offset + size:,} of {end:,} to {header['size']:,}; record the program again"
            )
        end = offset + size


def _read_ring(
    read: Read, header: dict[str, Any], section: str, entry: layout.Layout
) -> tuple[bytes, int]:
    """Return a ring's entries, oldest first, and how many older ones are lost."""
    offset, count = header[f"{section}_offset"], header[f"{section}_count"]
    head = header[f"{section}_head"]
    if count == 0:
        return b"", head
    data = _whole(read(offset, min(head, count) * entry.size), entry)
    later = HEADER.unpack(read(0, HEADER_SIZE))
    first = max(0, later[f"{section}_head"] - count)
    if first and not later["ended_ticks"]:
        first += min(UNSAFE_ENTRIES, count // 8)
    if first >= head or not data:
        return b"", head
    start, end = first % count * entry.size, head % count * entry.size
    in_order = data[start:end] if start < end else data[start:] + data[:end]
    return in_order, first


def _whole(data: bytes, entry: layout.Layout) -> bytes:
    """Return the whole entries: a file that is cut while it is read may end inside one."""
    return data[: len(data) - len(data) % entry.size]


def _known(entries: bytes, entry: layout.Layout, known: frozenset[int]) -> bytes:
    """Return the entries of known kinds: a slot handed out and not yet written has none."""
    at = entry.offset("kind")
    if set(entries[at :: entry.size]) <= known:
        return entries
    return b"".join(
        entries[start : start + entry.size]
        for start in range(0, len(entries), entry.size)
        if entries[start + at] in known
    )


_EVENT_KINDS = frozenset(map(int, kinds.Kind))
_SAMPLE_KINDS = frozenset(map(int, kinds.SampleKind))
_ENTRIES = {
    "sites": layout.SITE,
    "tasks": layout.TASK,
    "threads": layout.THREAD,
    "pools": layout.POOL,
    "samples": layout.SAMPLE,
    "events": layout.EVENT,
    "calls": layout.CALL,
}
