"""A recording's file becomes its raw sections, checked: the only place that reads files.

A `Reader` reads a file again and again: the first `poll` returns all that is there, each later
one what is new since. Of the rings that are the entries written since; the other sections are
small, or change in place, and come whole.

The file may belong to a program that writes into it meanwhile. So it is read in pieces and
never mapped (a mapped file that is cut short kills its reader with SIGBUS), counters are
read before and after the rings, and ring entries that may have been overwritten in between
are left out and counted as dropped. No number in the file is trusted: offsets and counts
are checked against the file's real size, which also bounds the memory used.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any, Self

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
class Delta:
    """What is new in a recording: bytes with whole entries, rings in order, oldest first."""

    header: dict[str, Any]
    text: bytes
    sites: bytes
    tasks: bytes
    threads: bytes
    loops: bytes
    pools: bytes
    workers: bytes
    history: bytes  # new, as the other rings are
    samples: bytes
    events: bytes
    calls: bytes
    history_dropped: int  # overwritten before they were read
    samples_dropped: int
    events_dropped: int
    calls_dropped: int
    alive: bool  # the program that writes it runs still


class Reader:
    """Reads the recording at a path, for as long as it is open; also one that moves or goes.

    Raises:
        RecordingError: there is none, or it cannot be read; as `poll` does.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with _told(path):
            # Opening a pipe would wait for its writer, so the kind comes first.
            _check_kind(path, Path(path).stat())
            self._file = FileIO(path)
        self._sections = Sections(path, self._read)

    def poll(self) -> Delta:
        """Return what is new since the last poll; at first, all that is there."""
        with _told(self._path):
            status = os.fstat(self._file.fileno())
            _check_kind(self._path, status)
            before = self._sections.header
            delta = self._sections.poll(status.st_size)
            if delta.header["ended_ticks"]:
                return delta
            # What writes is alive; to look for its mapping costs more.
            writes = before is not None and before != delta.header
            alive = writes or is_written_by(delta.header["pid"], status.st_ino)
            return replace(delta, alive=alive)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, offset: int, size: int) -> bytes:
        return _read_at(self._file.fileno(), offset, size)


def read_file(path: str) -> Delta:
    """Return the sections of the recording at `path`; raise RecordingError if there is none."""
    with Reader(path) as reader:
        return reader.poll()


def read_buffer(buffer: bytes | bytearray | memoryview, name: str = "buffer") -> Delta:
    """Return the sections of a recording in memory; `name` is what errors call it."""
    view = memoryview(buffer).cast("B")

    def read(offset: int, size: int) -> bytes:
        return bytes(view[offset : offset + size])

    return Sections(name, read).poll(len(view))


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Raise what goes wrong with a file as a RecordingError that says what to do."""
    try:
        yield
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


class Sections:
    """The sections of one recording, and how far its rings have been read.

    Args:
        name: what errors call it.
        read: returns bytes of it, as they are now.
    """

    def __init__(self, name: str, read: Read) -> None:
        self.header: dict[str, Any] | None = None  # as it was at the last poll
        self._name = name
        self._read = read
        self._rings = {section: _Ring(section, read) for section in _RINGS}

    def poll(self, size: int) -> Delta:
        """Return what is new, of a file of `size` bytes."""
        read, header = self._read, _read_header(self._name, self._read, size)
        _check_sections(self._name, header)
        if self.header and any(self.header[name] != header[name] for name in _NEVER_CHANGES):
            raise RecordingError(
                f"{self._name}: was written anew by another program while it was read; "
                "open it again"
            )
        self.header = header

        def slots(section: str, used: int | None = None) -> bytes:
            entry, count = layout.ENTRIES[section], header[f"{section}_count"]
            if used is not None:
                count = min(count, used)
            return _whole(read(header[f"{section}_offset"], count * entry.size), entry)

        def twice(section: str, used: int | None = None) -> bytes:
            data, later = slots(section, used), slots(section, used)
            return _unmixed(layout.ENTRIES[section], data, later)

        threads = _steady(twice("threads"), slots("threads"))
        loops = twice("loops", header["loops_used"])
        pools = twice("pools", header["pools_used"])
        workers = twice("workers")
        tasks = slots("tasks", header["tasks_used"])
        if HEADER.unpack(read(0, HEADER_SIZE))["tasks_recycled"] != header["tasks_recycled"]:
            later = slots("tasks", header["tasks_used"])
            tasks = _unmixed(layout.TASK, tasks, later)
        # Slot 0 stands for code that found no slot.
        sites = slots("sites", header["sites_used"] + 1)
        history, history_dropped = self._rings["history"].new(header)
        samples, samples_dropped = self._rings["samples"].new(header)
        events, events_dropped = self._rings["events"].new(header)
        calls, calls_dropped = self._rings["calls"].new(header)
        # Text is never overwritten; read last, it has all that the entries above refer to. Who
        # writes it takes a place first, so what lies before the end may be written later: it
        # comes whole each time.
        used = HEADER.unpack(read(0, HEADER_SIZE))["text_used"]
        text = read(header["text_offset"], min(header["text_size"], used))
        return Delta(
            header=header,
            text=text,
            sites=sites,
            tasks=tasks,
            threads=threads,
            loops=loops,
            pools=pools,
            workers=workers,
            history=history,
            samples=samples,
            events=events,
            calls=calls,
            history_dropped=history_dropped,
            samples_dropped=samples_dropped,
            events_dropped=events_dropped,
            calls_dropped=calls_dropped,
            alive=False,
        )


class _Ring:
    """One ring of a recording, and how far it has been read."""

    def __init__(self, section: str, read: Read) -> None:
        self._section = section
        self._entry, self._known = _RINGS[section]
        self._read = read
        self._next = 0  # the number of the first entry that has not been read
        self._holes: list[int] = []
        """The numbers of entries that had a place and were not yet written."""

    def new(self, header: dict[str, Any]) -> tuple[bytes, int]:
        """Return the entries since the last time, oldest first, and how many are lost."""
        section, size = self._section, self._entry.size
        count, head = header[f"{section}_count"], header[f"{section}_head"]
        next_, holes = self._next, self._holes
        first = max(next_, head - count)
        data = self._range(header, first, head) if count else b""
        later = HEADER.unpack(self._read(0, HEADER_SIZE))
        kept = max(0, later[f"{section}_head"] - count)
        if kept and not later["ended_ticks"]:
            kept += min(UNSAFE_ENTRIES, count // 8)
        if kept > first:
            data = data[(kept - first) * size :]
            first = kept
        self._next, self._holes = max(next_, head), []
        filled = [self._range(header, hole, hole + 1) for hole in holes if hole >= kept]
        lost = max(0, min(first, head) - next_) if data else max(0, head - next_)
        return self._whole(filled, data, first), lost

    def _range(self, header: dict[str, Any], first: int, end: int) -> bytes:
        """Return entries by their numbers, or fewer of a file that was cut meanwhile."""
        size, count = self._entry.size, header[f"{self._section}_count"]
        pieces = []
        while first < end:
            place = first % count
            number = min(end - first, count - place)
            at = header[f"{self._section}_offset"] + place * size
            pieces.append(_whole(self._read(at, number * size), self._entry))
            first += number
        return b"".join(pieces)

    def _whole(self, filled: list[bytes], data: bytes, first: int) -> bytes:
        """Return the entries of known kinds: one that is not yet written has none."""
        if self._known is None:
            return data
        at, size = self._entry.offset("kind"), self._entry.size
        filled = [entry for entry in filled if entry and entry[at] in self._known]
        kinds_of_each = data[at::size]
        if not kinds_of_each.translate(None, self._known):
            return b"".join([*filled, data])
        for index, kind in enumerate(kinds_of_each):
            if kind in self._known:
                filled.append(data[index * size : (index + 1) * size])
            elif kind == 0:
                self._holes.append(first + index)
        return b"".join(filled)


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
            f"version {VERSION}; record the program again, or read it with the "
            "Fournil that recorded it"
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
    for section, entry in layout.ENTRIES.items():
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


def _whole(data: bytes, entry: layout.Layout) -> bytes:
    """Return the whole entries: a file that is cut while it is read may end inside one."""
    return data[: len(data) - len(data) % entry.size]


def _unmixed(entry: layout.Layout, data: bytes, later: bytes) -> bytes:
    """Return slots as they were read, but empty those that had another occupant by then.

    One that is given to another has no number meanwhile, and another one afterwards; see
    fournil.record.layout.
    """
    number = entry.fields[0].name
    numbers, numbers_later = entry.column(data, number), entry.column(later, number)
    if numbers.tobytes() == numbers_later.tobytes():
        return data
    mended = bytearray(data)
    for place, (before, after) in enumerate(zip(numbers, numbers_later, strict=False)):
        if before != after:
            mended[place * entry.size : (place + 1) * entry.size] = bytes(entry.size)
    return bytes(mended)


def _steady(threads: bytes, later: bytes) -> bytes:
    """Return threads with the steps that they ran before and after they were read, or with none."""
    begin = layout.THREAD.column(threads, "begin")
    begin_later = layout.THREAD.column(later, "begin")
    if begin.tobytes() == begin_later.tobytes():
        return threads
    mended = bytearray(threads)
    for place, (before, after) in enumerate(zip(begin, begin_later, strict=False)):
        if before != after:
            at = place * layout.THREAD.size + layout.THREAD.offset("begin")
            mended[at : at + 8] = bytes(8)
    return bytes(mended)


_RINGS: dict[str, tuple[layout.Layout, bytes | None]] = {
    "history": (layout.HISTORY, None),
    "samples": (layout.SAMPLE, bytes(kinds.SampleKind)),
    "events": (layout.EVENT, bytes(kinds.Kind)),
    "calls": (layout.CALL, None),
}
"""The rings, with the kinds of their entries where these have kinds."""

_NEVER_CHANGES = ("pid", "started_ns", "started_ticks")
