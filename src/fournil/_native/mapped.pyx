"""The mapped file of a recording: where its sections are, its header, its text, its clock.

Its layout is said once, in `fournil.record`; `layout.pxd` is written from it.
"""

import json
import os
import time

from cpython.exc cimport PyErr_Clear
from libc.string cimport memcpy

from fournil.record import bounds as record_bounds, layout as record_layout

from fournil._native.layout cimport (
    RECORDING_HEADER_SIZE,
    RECORDING_VERSION,
    Call,
    Event,
    Header,
    HistoryRow,
    Loop,
    Pool,
    Sample,
    Site,
    Task,
    Thread,
    Worker,
)
from fournil._native.sys.atomics cimport take_number
from fournil._native.sys.mapping cimport (
    MAP_FAILED,
    MAP_POPULATE,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
    mmap,
    munmap,
)
from fournil._native.sys.text cimport Text, text_put_string
from fournil._native.sys.ticks cimport monotonic_ns, ticks_choose, ticks_now

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *)

cdef int tick_is_tsc = ticks_choose()

for _size, _layout in (
    (sizeof(Header), record_layout.HEADER),
    (sizeof(Site), record_layout.SITE),
    (sizeof(Task), record_layout.TASK),
    (sizeof(Thread), record_layout.THREAD),
    (sizeof(Loop), record_layout.LOOP),
    (sizeof(Pool), record_layout.POOL),
    (sizeof(Worker), record_layout.WORKER),
    (sizeof(HistoryRow), record_layout.HISTORY),
    (sizeof(Call), record_layout.CALL),
    (sizeof(Event), record_layout.EVENT),
    (sizeof(Sample), record_layout.SAMPLE),
):
    if _size != _layout.size or RECORDING_VERSION != record_layout.VERSION:
        raise ImportError(
            f"fournil's native modules were built for another layout of recordings: {_layout.name}"
            f" has {_size} bytes there and {_layout.size} in fournil.record; build them again"
        )


cdef class MappedRecording:
    """The file of a recording that is written, mapped into memory; see `Ring`."""

    def __cinit__(
        self,
        int fd,
        str path not None,
        size_t size,
        uint64_t threshold_ns,
        uint64_t switch_interval_ns,
        uint64_t program,
        uint32_t parent,
        meta,
    ):
        cdef void *base
        cdef double ticks_per_ns
        record_bounds.size(size)
        self.path = path
        self.pid = os.getpid()
        self.size = size
        # A mapped file that has no room ends its writer by SIGBUS: take the room now.
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            raise OSError(
                error.errno, f"{error.strerror}, for a recording of {size:,} bytes", path
            ) from None
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0)
        if base == MAP_FAILED:
            raise OSError(f"cannot map the recording {path!r} of {size:,} bytes")
        self.header = <Header *> base
        sections = record_layout.sections(size)
        places = {name: offset for name, (offset, count) in sections.items()}
        counts = {name: count for name, (offset, count) in sections.items()}
        self.text = <char *> base + <size_t> places["text"]
        self.sites = <Site *> (<char *> base + <size_t> places["sites"])
        self.tasks = <Task *> (<char *> base + <size_t> places["tasks"])
        self.threads = <Thread *> (<char *> base + <size_t> places["threads"])
        self.loops = <Loop *> (<char *> base + <size_t> places["loops"])
        self.pools = <Pool *> (<char *> base + <size_t> places["pools"])
        self.workers = <Worker *> (<char *> base + <size_t> places["workers"])
        self.history = <HistoryRow *> (<char *> base + <size_t> places["history"])
        self.calls = <Call *> (<char *> base + <size_t> places["calls"])
        self.samples = <Sample *> (<char *> base + <size_t> places["samples"])
        self.events = <Event *> (<char *> base + <size_t> places["events"])
        self.events_mask = counts["events"] - 1
        self.samples_mask = counts["samples"] - 1
        self.calls_mask = counts["calls"] - 1
        self.history_mask = counts["history"] - 1
        self.text_size = counts["text"]
        self.sites_count = counts["sites"]
        self.tasks_count = counts["tasks"]

        header = self.header
        header.header_size = RECORDING_HEADER_SIZE
        header.size = size
        header.pid = self.pid
        header.tsc = tick_is_tsc
        header.program = program
        header.parent = parent
        header.text_offset, header.text_size = sections["text"]
        header.sites_offset, header.sites_count = sections["sites"]
        header.tasks_offset, header.tasks_count = sections["tasks"]
        header.threads_offset, header.threads_count = sections["threads"]
        header.loops_offset, header.loops_count = sections["loops"]
        header.pools_offset, header.pools_count = sections["pools"]
        header.workers_offset, header.workers_count = sections["workers"]
        header.history_offset, header.history_count = sections["history"]
        header.samples_offset, header.samples_count = sections["samples"]
        header.events_offset, header.events_count = sections["events"]
        header.calls_offset, header.calls_count = sections["calls"]
        header.switch_interval_ns = switch_interval_ns
        header.text_used = 8  # offset 0 means that there is no text

        self.texts = {}

        header.started_unix_ns = time.time_ns()
        header.started_ns = monotonic_ns()
        header.started_ticks = ticks_now()
        while monotonic_ns() - header.started_ns < 200_000:
            pass
        header.clock_ns = monotonic_ns()
        header.clock_ticks = ticks_now()
        ticks_per_ns = (header.clock_ticks - header.started_ticks) / <double> (
            header.clock_ns - header.started_ns
        )
        self.threshold_ticks = <uint64_t> (threshold_ns * ticks_per_ns)
        header.threshold_ticks = self.threshold_ticks
        described = json.dumps(meta).encode()
        header.meta_text = self.write_text(described, len(described))
        header.version = RECORDING_VERSION

    def __dealloc__(self):
        if self.header != NULL:
            munmap(self.header, self.size)

    def renew_clock(self):
        """Write down the time and the tick once more."""
        self.header.clock_sequence += 1
        self.header.clock_ns = monotonic_ns()
        self.header.clock_ticks = ticks_now()
        self.header.clock_sequence += 1

    cdef uint32_t write_text(self, const char *data, size_t length) noexcept nogil:
        """Store a string; return its offset, or 0 when there is no room. Needs no GIL."""
        cdef uint64_t room = (4 + length + 7) & ~<uint64_t> 7
        cdef uint64_t offset = take_number(&self.header.text_used, room)
        if offset > self.text_size or room > self.text_size - offset:
            take_number(&self.header.text_used, -room)
            take_number(&self.header.text_dropped, 1)
            return 0
        memcpy(self.text + offset + 4, data, length)
        (<uint32_t *> (self.text + offset))[0] = <uint32_t> length
        return <uint32_t> offset

    cdef uint32_t write_string(self, str string) noexcept:
        """Store as much of a string as a name may have; return as `write_text` does."""
        cdef char room[LONGEST_NAME]
        cdef Text text
        cdef Py_ssize_t length
        cdef const char *data = PyUnicode_AsUTF8AndSize(string, &length)
        if data != NULL and length <= LONGEST_NAME:
            return self.write_text(data, length)
        PyErr_Clear()  # of a lone surrogate
        text.bytes = room
        text.size = LONGEST_NAME
        text.used = text.cut = 0
        text_put_string(&text, string)
        return self.write_text(room, text.used)

    cdef uint32_t intern(self, str string) except? 0:
        """Return the offset of a string, which is stored when it is new."""
        cdef uint32_t offset
        known = self.texts.get(string)
        if known is not None:
            return known
        offset = self.write_string(string)
        if offset:
            self.texts[string] = offset
        return offset
