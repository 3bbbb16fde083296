"""Where each field of a recording is: the header, the sections' entries, and their sizes.

All numbers are little-endian and aligned to their size, so that a C struct with the same
fields in the same order has the same layout. The recorder compares the two when it is
imported, and refuses to work where they differ.

```
section  entries          bytes  what it has                              written by
header   1                4,096  who recorded, when; clocks, sections,    the recorder; the watch:
                                 counters; control words                  clocks, answers, threshold
text     bytes                   strings and stacks, each stored once     GIL, watch
sites    one a code          80  a piece of code that ran as steps        GIL
tasks    one a task          64  a task with its totals                   GIL
threads  64 loops', 192      64  what a thread runs now                   the thread, GIL
loops    64               3,168  a loop's totals, its turns by length     the loop's thread, GIL
pools    64                 160  a pool of workers with its totals        the pool's loop, GIL
workers  256                 32  a worker and the call that it runs       GIL
history  ring                48  a second of a loop                       watch
samples  ring                64  what the watch saw; blocked steps        GIL, watch
events   ring                32  steps, waits, births and ends of tasks   GIL
calls    ring                64  calls of pools that came to their ends   the pool's loop, GIL
```

GIL: any thread that holds it. The watch is a native thread that never does. What both write has
its places handed out by atomic addition.

How a reader, which writes nothing and waits for nobody, gets what belongs together:

- **Words.** A number of 8 or 4 bytes is read as it was at one moment. Totals and counters only
  grow; they are not of one moment with each other.
- **Rings** overwrite their oldest entries. `head` counts all entries ever written and is raised
  after the entry was, so that what lies before it is whole. It is read before and after them:
  those that may have been overwritten in between are left out, and counted. A place among the
  samples is taken before it is filled, so that one of kind 0 is read again the next time.
- **Slots that are used again** (tasks, threads, loops, pools, workers) begin with a number that no
  other occupant has: 0, before the slot is written anew, and the new one afterwards. Whoever finds
  one number before and after reading a slot has mixed no two; for tasks, of which there are many,
  `tasks_recycled` in the header tells that none was given away meanwhile. A slot with number 0
  belongs to nobody: its writer may have been killed half-way.
- **What a thread runs**: see THREAD. The clock pair: see `clock_sequence`.
- **Text** is never overwritten. Who stores a string takes its place first, so that the text is read
  after what refers to it; it is named by its offset: four bytes of length, then UTF-8. Offset 0 is
  no string. A stack is a string too: a line a frame, innermost first, each with file, line number
  and function, separated by the unit separator (U+001F). What finds no room is counted.
- **Control words** alone are written by others: see `control`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

MAGIC = b"FOURNIL\n"
VERSION = 4
DEFAULT_SIZE = 32 << 20
MINIMUM_SIZE = 2 << 20
MAXIMUM_SIZE = 32 << 30
"""Places in `text`, a sixteenth of it all, leave a bit of 32 to tasks: kinds.NAME_BIT."""

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
    # Written before the recording begins; the first six where each version of the format has them.
    magic="8s",
    version="I",
    header_size="I",
    size="Q",  # of the whole file, bytes
    pid="I",
    tsc="I",  # 1: ticks are the processor's counter; 0: ticks are nanoseconds
    # A number that all processes of one program share, and no other has; 0: it is alone.
    program="Q",
    parent="I",  # the number of the process that started this one
    meta_text="I",  # a JSON object in `text`: argv, python, versions, code roots
    switch_interval_ns="I",  # how soon Python code gives up the GIL when asked
    # The signal by which the watch asks a thread for its stack; 0 when the program took it.
    watch_signal="I",
    # A wall-clock time, a monotonic time and a tick taken together at the start.
    started_unix_ns="Q",
    started_ns="Q",
    started_ticks="Q",
    # A later such pair, renewed by the watch; the longer apart, the exacter.
    clock_sequence="Q",  # odd while the pair is being written
    clock_ns="Q",
    clock_ticks="Q",
    ended_ticks="Q",  # 0: still running, or killed
    threshold_ticks="Q",  # the watch changes it when asked
    # Sections: where they begin (bytes), how many entries they hold.
    text_offset="Q",
    text_size="Q",
    sites_offset="Q",
    sites_count="Q",
    tasks_offset="Q",
    tasks_count="Q",
    threads_offset="Q",
    threads_count="Q",
    loops_offset="Q",
    loops_count="Q",
    pools_offset="Q",
    pools_count="Q",
    workers_offset="Q",
    workers_count="Q",
    history_offset="Q",
    history_count="Q",
    samples_offset="Q",
    samples_count="Q",
    events_offset="Q",
    events_count="Q",
    calls_offset="Q",
    calls_count="Q",
    # Counters: all that was ever written, so that what is missing can be counted. `recycled`
    # grows before a slot is written anew, so that a reader which finds it as it was has mixed no
    # two occupants.
    text_used="Q",  # bytes asked for; more than text_size when it was full
    text_dropped="Q",  # strings that found no room
    sites_used="Q",
    sites_dropped="Q",  # pieces of code that found no slot, filed under site 0
    tasks_used="Q",  # slots ever used
    tasks_born="Q",
    tasks_dropped="Q",  # tasks that found no slot, their steps filed under their site
    tasks_recycled="Q",  # ended tasks whose slot was used again
    loops_used="Q",
    loops_dropped="Q",  # loops that found no slot
    loops_recycled="Q",  # closed loops whose slot was used again
    threads_used="Q",  # slots ever used, of those that are no loops'
    threads_dropped="Q",  # threads that found no slot
    pools_used="Q",
    pools_dropped="Q",  # pools that found no slot
    pools_recycled="Q",  # closed pools whose slot was used again
    workers_dropped="Q",  # workers that found no slot
    history_head="Q",
    samples_head="Q",
    events_head="Q",
    calls_head="Q",
    forks="Q",  # forked children, which are not recorded
    watch_unanswered="Q",  # requests for a stack that the thread did not answer in time
    watch_signal_lost="I",  # the number of the signal that the program took
    # The number of the error for which the watch could not look, and kinds.WATCH_NO_THREADS or not;
    # 0: none.
    watch_error="I",
    # How the program ended, written by its parent where that is `fournil run`.
    end="I",  # kinds.END_*; 0: not known
    end_code="I",  # the status of an exit, or the number of the signal
    # What another process asks for: see record/control.py.
    control_request="Q",  # how many requests there were; written after the two that follow
    control_command="I",  # kinds.CONTROL_*
    control_refused="I",  # of the last answer: 1: it was no command, or one with a wrong value
    control_value="Q",
    control_answered="Q",  # how many requests were answered; written by the watch
    # The ticks when the first server of the process began to listen, and when one accepted its
    # first connection, since the recording began; 0: none did.
    listening_ticks="Q",
    accepted_ticks="Q",
    other_loops="Q",  # 1: a loop of another kind ran, of which nothing is recorded
)

SITE = Layout(
    "Site",
    # Sums over the steps that ended, those of pending tasks too; times in ticks.
    steps="Q",
    busy="Q",
    delay="Q",
    longest="Q",
    tasks="Q",
    ended="Q",
    never_awaited="Q",
    never_retrieved="Q",
    function="I",  # text
    file="I",  # text
    line="I",
    flags="I",  # kinds.SITE_*
)

# 64 bytes: as much as a step touches of a task comes from memory at once.
TASK = Layout(
    "Task",
    id="I",  # 0: the slot is empty, or is being written
    site="I",
    parent="I",  # subject
    name="I",  # text; with kinds.NAME_BIT, the number of "Task-<number>"; 0: it never ran
    longest="I",  # units.unpack_ticks
    state="H",  # kinds.TASK_*
    thread="H",  # index into threads
    steps="Q",
    busy="Q",  # ticks
    delay="Q",  # ticks
    born="Q",  # tick
    last="Q",  # the tick when its last step ended; of an ended task, its end; 0: it never ran
)

# 64 bytes, so that no two threads write into one line of the processor's cache.
THREAD = Layout(
    "Thread",
    sequence="I",  # counts whom the slots were given to, from 1; 0: it is being written
    number="I",  # counts loops from 1; 0: the thread runs no loop
    native_id="I",
    name="I",  # text
    state="H",  # kinds.THREAD_*
    # What the thread runs now; `begin` 0: nothing. It is 0 in between, while `kind` and `subject`
    # are written: whoever finds one `begin` before and after them, has those of that step.
    kind="H",
    subject="I",
    begin="Q",  # tick
    # Since when the loop waits for the kernel, a tick; 0: it does not. And the tick when the last
    # such wait ended, written without the GIL: where it is the later one, the thread has waited
    # for the GIL since.
    waiting_since="Q",
    returned="Q",
    opened="Q",  # tick
    closed="Q",  # tick
)

# Of the loop in the thread's slot of the same index.
LOOP = Layout(
    "Loop",
    sequence="I",  # as its thread's
    pending="I",  # tasks that were made in it and have not ended
    running_since="Q",  # tick; 0: not running
    ran="Q",  # ticks, of all runs that ended
    steps="Q",
    busy="Q",  # ticks inside steps
    longest="Q",  # ticks
    blocked="Q",  # steps at or over the threshold
    polls="Q",
    idle="Q",  # ticks inside the kernel's wait
    gil_waited="Q",  # ticks from the end of the kernel's wait until the thread had the GIL
    gil_longest="Q",  # ticks
    # A turn goes from the end of the kernel's wait to the begin of the next.
    longest_turn="Q",  # ticks
    turns=f"{TURN_BUCKETS}Q",  # how many turns lasted how long: units.turn_bucket
)

# Times of pools, workers and calls are nanoseconds of CLOCK_MONOTONIC, which workers have as well.

POOL = Layout(
    "Pool",
    number="I",  # counts pools from 1; 0: the slot is empty, or is being written
    state="I",  # kinds.POOL_*
    kind="I",  # text: the name of its class
    name="I",  # text: what its workers' names begin with
    workers="I",  # how many at most
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

WORKER = Layout(
    "Worker",
    sequence="I",  # grows with each call that any worker begins; 0: the slot is being written
    pool="I",  # its number; 0: the slot is free
    name="I",  # text
    site="I",  # of the function that it runs
    call="Q",  # how many calls it began, the one that it runs among them
    since="Q",  # when that began, as far as the program knows; 0: it runs none
)

HISTORY = Layout(
    "HistoryRow",
    at="Q",  # tick: when the row's second ended
    lasted="I",  # units.unpack_ticks, as all times here; more than a second where nothing was seen
    loop="I",  # its number
    steps="I",
    pending="I",  # tasks, at the end
    blocked="I",
    busy="I",  # neither in the kernel's wait nor in that for the GIL
    gil_waited="I",
    lag_p99="I",
    lag_max="I",
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
    state="H",  # kinds.CALL_*
)

EVENT = Layout(
    "Event",
    begin="Q",  # tick
    duration="I",  # units.unpack_ticks; of a task that ended, its steps' sum
    # units.unpack_ticks: from ready to running; of a wait, its last part, in which the loop's
    # thread waited for the GIL; of a task that ended, its steps' sum. Of a birth, the task's slot.
    delay="I",
    subject="I",  # what ran: a task, or a site with kinds.SITE_BIT
    waker="I",  # the subject of the step that made it runnable; 0: the kernel or a clock
    thread="H",
    kind="B",  # kinds.Kind
    flags="B",  # kinds.FLAG_*
    extra="I",  # by kind
)

# What each kind of sample has of these: kinds.SampleKind. Of a step, `thread` and `begin` are its
# name; of a wait for the GIL between two steps, `begin` is the tick of `returned`.
SAMPLE = Layout(
    "Sample",
    at="Q",  # tick
    since="Q",  # tick: the sample stands for the time from then on
    begin="Q",  # tick
    # LOOK, HOLDER: how many objects the collector of garbage has to look through, where it runs.
    # ASK: the CPU time, in nanoseconds, that the thread used before it gave the GIL up. BLOCKED:
    # the CPU time of the step in nanoseconds, 0: not known. LATE: how many nanoseconds of the
    # time the watch wanted a CPU and had none.
    number="Q",
    # Ticks. LOOK, HOLDER: how long since the last one the thread wanted a CPU and had none. ASK:
    # how long who asked for the GIL wanted a CPU meanwhile. BLOCKED: the ready delay.
    delay="Q",
    subject="I",  # HOLDER: the native number of the thread that has the GIL
    # Text: lines of file, line, function, innermost first; 0: unknown. SERVED: the functions that
    # the step's frames hold, and with no file and line 0 the route. NAME: the name.
    stack="I",
    ask="I",  # the request for the GIL that was open; 0: none
    # LOOK: 1 + the number of the system call that the thread was in; 0: unknown or none. ASK: how
    # many microseconds of CPU time the thread spent after it was seen that it had been told to give
    # up the GIL; 0: it was not seen, or none. BLOCKED: the step's site. LATE: for how many
    # microseconds a quota had stopped the process since the last such sample.
    extra="I",
    thread="H",
    kind="B",  # kinds.SampleKind; 0: it is being written
    evidence="B",  # kinds.SAW_*
    step_kind="B",  # kinds.Kind
    generation="B",  # LOOK, HOLDER: 1 + the generation of the collection that runs; 0: none
)

LAYOUTS = (HEADER, SITE, TASK, THREAD, LOOP, POOL, WORKER, HISTORY, EVENT, SAMPLE, CALL)

ENTRIES = {
    "sites": SITE,
    "tasks": TASK,
    "threads": THREAD,
    "loops": LOOP,
    "pools": POOL,
    "workers": WORKER,
    "history": HISTORY,
    "samples": SAMPLE,
    "events": EVENT,
    "calls": CALL,
}
"""The sections but `text`, in the order in which they lie in the file."""

LOOPS, THREADS, POOLS, WORKERS = 64, 256, 64, 256
"""So many slots there are; the first `LOOPS` of the threads are those of the loops, the others of
threads that run calls."""


def sections(size: int) -> dict[str, tuple[int, int]]:
    """Return the sections of a recording of so many bytes: names to (offset, entries)."""
    counts = {
        "text": size // 16,
        "sites": max(size // 48 // SITE.size, 256),
        "threads": THREADS,
        "loops": LOOPS,
        "pools": POOLS,
        "workers": WORKERS,
        # An hour of one loop in the default size.
        "history": _power_of_two_below(size // 128 // HISTORY.size),
        "samples": _power_of_two_below(size // 16 // SAMPLE.size),
        "events": _power_of_two_below(size // 2 // EVENT.size),
        "calls": _power_of_two_below(size // 32 // CALL.size),
    }
    each = {"text": 1} | {name: entry.size for name, entry in ENTRIES.items()}
    used = sum(_in_lines(count * each[name]) for name, count in counts.items())
    counts["tasks"] = (size - HEADER_SIZE - used) // TASK.size
    found = {}
    offset = HEADER_SIZE
    for name, bytes_each in each.items():
        found[name] = offset, counts[name]
        offset += _in_lines(counts[name] * bytes_each)
    return found


def _in_lines(size: int) -> int:
    """Return a size in whole lines of the processor's cache."""
    return (size + 63) // 64 * 64


def _power_of_two_below(number: int) -> int:
    """Return the greatest power of two that is not over `number`."""
    return 1 << (number.bit_length() - 1)
