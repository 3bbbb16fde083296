"""Where each field of a recording is: the header, the sections' entries, and their sizes.

All numbers are little-endian and aligned to their size, so that a C struct with the same
fields in the same order has the same layout. The recorder compares the two when it is
imported, and refuses to work where they differ.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

MAGIC = b"FOURNIL\n"
VERSION = 2
DEFAULT_SIZE = 32 << 20
MINIMUM_SIZE = 2 << 20

TURN_BUCKETS = 384
"""Buckets of a loop's histogram of turns: eight for each power of two of nanoseconds."""


class Field(NamedTuple):
    """One field: its name, its offset in bytes, its `struct` format."""

    name: str
    offset: int
    format: str


class Layout:
    """A fixed-size entry: names and formats in order, with the offsets that C would give.

    >>> Layout("Pair", first="I", second="Q").fields
    (Field(name='first', offset=0, format='I'), Field(name='second', offset=8, format='Q'))
    """

    def __init__(self, name: str, /, **formats: str) -> None:
        self.name = name
        fields = []
        pattern = "<"
        offset = 0
        for field, format_ in formats.items():
            padding = -offset % struct.calcsize("<" + format_[-1])
            pattern += f"{padding}x" * bool(padding) + format_
            offset += padding
            fields.append(Field(field, offset, format_))
            offset += struct.calcsize("<" + format_)
        padding = -offset % 8
        pattern += f"{padding}x" * bool(padding)
        self.fields = tuple(fields)
        self.names = tuple(formats)
        self.struct = struct.Struct(pattern)
        self.size = self.struct.size

    def offset(self, name: str) -> int:
        """Return where a field begins, in bytes."""
        return self.fields[self.names.index(name)].offset

    def unpack(self, buffer: Any, offset: int = 0) -> dict[str, Any]:
        """Return the entry at `offset` (bytes) as a dictionary by field name; arrays as tuples."""
        values = self.struct.unpack_from(buffer, offset)
        if len(values) > len(self.names):  # an array, which is the last field where there is one
            last = len(self.names) - 1
            values = (*values[:last], values[last:])
        return dict(zip(self.names, values, strict=True))

    def column(self, buffer: Any, name: str) -> memoryview[int]:
        """Return a view of one field of all entries in `buffer`, which is not copied.

        >>> pair = Layout("Pair", first="I", second="Q")
        >>> pair.column(pair.struct.pack(1, 2) + pair.struct.pack(3, 4), "second").tolist()
        [2, 4]
        """
        field = self.fields[self.names.index(name)]
        width = struct.calcsize(field.format)
        numbers: memoryview[int] = memoryview(buffer).cast(field.format)  # type: ignore[call-overload]
        return numbers[field.offset // width :: self.size // width]

    def iter_unpack(self, buffer: Any) -> Iterator[tuple[Any, ...]]:
        """Yield each entry of `buffer`, whose length is a multiple of the entry's size."""
        return self.struct.iter_unpack(buffer)


HEADER_SIZE = 4096

HEADER = Layout(
    "Header",
    magic="8s",
    version="I",
    header_size="I",
    size="Q",  # of the whole file, bytes
    pid="I",
    tsc="I",  # 1: ticks are the processor's counter; 0: ticks are nanoseconds
    # A wall-clock time, a monotonic time and a tick taken together at the start.
    started_unix_ns="Q",
    started_ns="Q",
    started_ticks="Q",
    # A later such pair, renewed while the program runs; the longer apart, the exacter.
    clock_sequence="Q",  # odd while the pair is being written
    clock_ns="Q",
    clock_ticks="Q",
    ended_ticks="Q",  # 0: still running, or killed
    threshold_ticks="Q",
    meta_text="I",  # a JSON object in `text`: argv, python, versions, code roots
    switch_interval_ns="I",  # how soon Python code gives up the GIL when asked
    # Sections: where they begin (bytes), how many entries they hold.
    text_offset="Q",
    text_size="Q",
    sites_offset="Q",
    sites_count="Q",
    tasks_offset="Q",
    tasks_count="Q",
    threads_offset="Q",
    threads_count="Q",
    pools_offset="Q",
    pools_count="Q",
    samples_offset="Q",
    samples_count="Q",
    events_offset="Q",
    events_count="Q",
    calls_offset="Q",
    calls_count="Q",
    # Counters: all that was ever written, so that what is missing can be counted.
    text_used="Q",  # bytes asked for; more than text_size when it was full
    text_dropped="Q",  # strings that found no room
    sites_used="Q",
    sites_dropped="Q",  # pieces of code that found no slot, filed under site 0
    tasks_used="Q",  # slots ever used
    tasks_born="Q",
    tasks_dropped="Q",  # tasks that found no slot, their steps filed under their site
    tasks_recycled="Q",  # ended tasks whose slot was used again
    threads_used="Q",
    threads_dropped="Q",  # loops that found no slot
    threads_recycled="Q",  # closed loops whose slot was used again
    pools_used="Q",
    pools_dropped="Q",  # pools that found no slot
    pools_recycled="Q",  # closed pools whose slot was used again
    samples_head="Q",
    events_head="Q",
    calls_head="Q",
    forks="Q",  # forked children, which are not recorded
    # The signal by which the watch asks a thread for its stack; 0 when the program took it.
    watch_signal="I",
    watch_signal_lost="I",  # the number of the signal that the program took
    watch_unanswered="Q",  # requests for a stack that the thread did not answer in time
    # How the program ended, written by its parent where that is `fournil run`.
    end="I",  # kinds.END_*; 0: not known
    end_code="I",  # the status of an exit, or the number of the signal
    # The number of the error for which the watch could not look, and kinds.WATCH_NO_THREADS or not;
    # 0: none.
    watch_error="I",
    reserved="I",
)

SITE = Layout(
    "Site",
    function="I",  # text
    file="I",  # text
    line="I",
    flags="I",  # kinds.SITE_*
    tasks="Q",
    ended="Q",
    steps="Q",
    busy="Q",  # ticks
    delay="Q",  # ticks
    longest="Q",  # ticks
    never_awaited="Q",
    never_retrieved="Q",
)

TASK = Layout(
    "Task",
    id="I",
    parent="I",  # subject
    site="I",
    name="I",  # text; 0: the name is "Task-<number>"
    number="I",
    state="I",  # kinds.TASK_*
    thread="I",  # index into threads
    reserved="I",
    born="Q",  # tick
    ended="Q",  # tick, 0: pending
    steps="Q",
    busy="Q",  # ticks
    delay="Q",  # ticks
    longest="Q",  # ticks
)

THREAD = Layout(
    "Thread",
    state="I",  # kinds.THREAD_*
    number="I",  # counts loops from 1; 0: the main thread outside any loop
    native_id="I",
    name="I",  # text
    opened="Q",  # tick
    closed="Q",  # tick
    running_since="Q",  # tick; 0: not running
    ran="Q",  # ticks, of all runs that ended
    # The step now running; `begin` 0: none. Written by the thread, read by the watch.
    begin="Q",
    subject="I",
    kind="I",
    waiting_since="Q",  # tick; 0: the loop does not wait for the kernel
    steps="Q",
    busy="Q",  # ticks inside steps
    idle="Q",  # ticks inside the kernel's wait
    polls="Q",
    longest="Q",  # ticks
    blocked="Q",  # steps at or over the threshold
    longest_turn="Q",  # ticks
    turns=f"{TURN_BUCKETS}Q",  # how many turns lasted how long: units.turn_bucket
)

# Times of pools and calls are nanoseconds of CLOCK_MONOTONIC, which workers have as well.

POOL = Layout(
    "Pool",
    state="I",  # kinds.POOL_*
    kind="I",  # text: the name of its class
    name="I",  # text: what its workers' names begin with
    workers="I",  # how many at most
    number="I",  # counts pools from 1
    reserved="I",
    opened="Q",
    closed="Q",  # 0: open
    calls="Q",  # that were given to it
    done="Q",
    raised="Q",
    cancelled="Q",
    abandoned="Q",
    died="Q",
    # Sums over the calls that ran.
    ran="Q",  # how many
    waited="Q",  # from when they were given to the pool until a worker was free for them
    out="Q",  # from then on, or since they were sent, until the function began
    inside="Q",  # in functions
    back="Q",  # from a function's end until the loop took the outcome, others' left out
    longest="Q",  # in a function
    cpu="Q",  # that the workers used
    bytes_out="Q",
    bytes_back="Q",
)

CALL = Layout(
    "Call",
    # 0 where it did not come so far, and `sent` where calls do not travel.
    queued="Q",
    sent="Q",
    began="Q",
    ended="Q",
    received="Q",
    bytes_out="I",  # units.unpack_ticks
    bytes_back="I",  # units.unpack_ticks
    subject="I",  # the subject of the step that gave it to the pool; 0: not known
    site="I",  # of the function
    worker="I",  # text
    pool="H",  # the lowest bits of the pool's number
    state="B",  # kinds.CALL_*
    spare="B",
)

EVENT = Layout(
    "Event",
    begin="Q",  # tick
    duration="I",  # units.unpack_ticks
    delay="I",  # units.unpack_ticks
    subject="I",  # what ran: a task, or a site with kinds.SITE_BIT
    waker="I",  # the subject of the step that made it runnable; 0: the kernel or a clock
    thread="H",
    kind="B",  # kinds.Kind
    flags="B",  # kinds.FLAG_*
    extra="I",  # by kind
)

SAMPLE = Layout(
    "Sample",
    at="Q",  # tick
    since="Q",  # tick: the sample stands for the time from then on
    begin="Q",  # tick: of the step; with `thread`, names it
    cpu_ns="Q",  # CPU time of the thread between `since` and `at`
    subject="I",
    stack="I",  # text: lines of file, line, function, innermost first; 0: unknown
    ask="I",  # the request for the GIL that was open; 0: none
    # Of a look: 1 + the number of the system call that the thread was in; 0: unknown or none. Of
    # an answer: how many microseconds of CPU time the thread spent after it was seen that it
    # had been told to give up the GIL; 0: it was not seen, or none.
    syscall="I",
    thread="H",
    kind="B",  # kinds.SampleKind
    evidence="B",  # kinds.SAW_*
    step_kind="B",  # kinds.Kind
    spare="B",
    spare2="H",
    # Ticks: the ready delay of a blocked step; how long, while it asked, who asked for the GIL
    # had to wait for a CPU.
    delay="Q",
)

LAYOUTS = (HEADER, SITE, TASK, THREAD, POOL, EVENT, SAMPLE, CALL)


def sections(size: int, threads: int, pools: int) -> dict[str, tuple[int, int]]:
    """Return the sections of a recording of so many bytes: names to (entries, bytes each).

    Args:
        threads, pools: how many slots they get.
    """
    found = {
        "text": (size // 16, 1),
        "sites": (max(size // 48 // SITE.size, 256), SITE.size),
        "threads": (threads, THREAD.size),
        "pools": (pools, POOL.size),
        "calls": (_power_of_two_below(size // 32 // CALL.size), CALL.size),
        "samples": (_power_of_two_below(size // 16 // SAMPLE.size), SAMPLE.size),
        "events": (_power_of_two_below(size // 2 // EVENT.size), EVENT.size),
    }
    used = sum((count * each + 63) // 64 * 64 for count, each in found.values())
    found["tasks"] = ((size - HEADER_SIZE - used - 64) // TASK.size, TASK.size)
    return found


def _power_of_two_below(number: int) -> int:
    """Return the greatest power of two that is not over `number`."""
    return 1 << (number.bit_length() - 1)
