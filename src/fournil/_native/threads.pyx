"""The slots of threads: of loops, of the main thread without one, and of those that run calls.

The watch looks at all of them alike.
"""

import asyncio

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from fournil._native.layout cimport (
    KIND_CALL,
    KIND_SCRIPT,
    MAX_LOOPS,
    MAX_THREADS,
    SAMPLE_BLOCKED,
    SITE_BIT,
    THREAD_CALLS,
    THREAD_CLOSED,
    THREAD_SCRIPT,
    Header,
    Loop,
    Sample,
    Thread,
)
from fournil._native.ring cimport Ring, current_ring, next_number
from fournil._native.sys.atomics cimport begin_slot, end_slot, publish, retract
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

cdef extern from "Python.h":
    void *PyThreadState_Get()

cdef extern from "<unistd.h>" nogil:
    int gettid()

cdef object threading_runs_loop = asyncio._get_running_loop

ticks_choose()


cdef int open_thread(Ring ring, uint32_t state, uint32_t number, str name) except -2:
    """Return a slot for a thread; -1 when all of its kind are taken by open ones."""
    cdef Header *header = ring.header
    cdef Thread *thread
    cdef uint32_t text = ring.intern(name)
    cdef int slot
    if state == THREAD_CALLS:
        slot = find_slot(
            ring, MAX_LOOPS, MAX_THREADS, &header.threads_used, &header.threads_dropped, NULL
        )
    else:
        slot = find_slot(
            ring, 0, MAX_LOOPS, &header.loops_used, &header.loops_dropped, &header.loops_recycled
        )
    if slot < 0:
        return -1
    thread = &ring.threads[slot]
    begin_slot(&thread.sequence)
    memset(thread, 0, sizeof(Thread))
    if slot < MAX_LOOPS:
        begin_slot(&ring.loops[slot].sequence)
        memset(&ring.loops[slot], 0, sizeof(Loop))
    thread.state = state
    thread.number = number
    thread.name = text
    thread.opened = ticks_now()
    ring.last_thread = next_number(ring.last_thread)
    if slot < MAX_LOOPS:
        end_slot(&ring.loops[slot].sequence, ring.last_thread)
    end_slot(&thread.sequence, ring.last_thread)
    return slot


cdef int find_slot(
    Ring ring, int first, int end, uint64_t *used, uint64_t *dropped, uint64_t *recycled
) noexcept:
    """Return a slot that was never used, or the one that was closed first; -1: all are open.

    Args:
        ring: has the slots.
        first, end: which ones, from one to before another.
        used, dropped: counts of slots ever used, and of threads that found none.
        recycled: counts slots that are used again; NULL where nobody misses who had them before.
    """
    cdef int slot
    cdef int found = -1
    if used[0] < <uint64_t> (end - first):
        used[0] += 1
        return first + <int> used[0] - 1
    for slot in range(first, end):
        if ring.threads[slot].state == THREAD_CLOSED and (
            found < 0 or ring.threads[slot].closed < ring.threads[found].closed
        ):
            found = slot
    if found < 0:
        dropped[0] += 1
    elif recycled != NULL:
        recycled[0] += 1
    return found


cdef void close_thread(Ring ring, int slot) noexcept:
    ring.threads[slot].closed = ticks_now()
    ring.threads[slot].state = THREAD_CLOSED


def watch_script(Ring ring not None):
    """Give the calling thread a slot for the time that it runs no loop."""
    cdef int slot = open_thread(ring, THREAD_SCRIPT, 0, "MainThread")
    if slot < 0:
        return
    ring.threads[slot].native_id = gettid()
    ring.threads[slot].kind = KIND_SCRIPT
    ring.states[slot] = PyThreadState_Get()
    ring.script_slot = slot
    # A recorder that a step turns on finds the thread inside that step.
    if not threading_runs_loop():
        publish(&ring.threads[slot].begin, ticks_now())


# Its end writes into the ring, which a collection of garbage must not take from it before.
@cython.no_gc_clear
cdef class ThreadRecord:
    """The recorder's side of the thread that makes it; see fournil.record.hook.ThreadRecord."""

    def __cinit__(self, Ring ring not None, str name not None):
        self.ring = ring
        self.slot = open_thread(ring, THREAD_CALLS, 0, name)
        if self.slot < 0:
            return
        self.thread = &ring.threads[self.slot]
        self.thread.native_id = gettid()
        ring.states[self.slot] = PyThreadState_Get()

    def __dealloc__(self):
        self.leave()

    cdef void leave(self) noexcept:
        if self.thread == NULL:
            return
        self.ring.states[self.slot] = NULL
        # What it ran when the recording ended, stays.
        if <PyObject *> self.ring == current_ring:
            publish(&self.thread.begin, 0)
            close_thread(self.ring, self.slot)
        self.thread = NULL

    def begin(self, function):
        """The thread begins to run a function."""
        cdef uint32_t site
        # Whoever has this finds out later that a recording has ended.
        if self.thread == NULL or <PyObject *> self.ring != current_ring:
            return
        site = self.ring.site_of_callback(<PyObject *> function)
        retract(&self.thread.begin)
        self.thread.subject = SITE_BIT | site
        self.thread.kind = KIND_CALL
        publish(&self.thread.begin, ticks_now())

    def end(self):
        """The function has ended."""
        cdef uint64_t begin, now
        cdef Sample *sample
        if self.thread == NULL or self.thread.begin == 0:
            return
        if <PyObject *> self.ring != current_ring:
            return
        begin = self.thread.begin
        now = ticks_now()
        if now - begin >= self.ring.threshold_ticks:
            sample = self.ring.next_sample()
            sample.at = now
            sample.since = sample.begin = begin
            sample.subject = self.thread.subject
            sample.thread = self.slot
            sample.step_kind = KIND_CALL
            sample.kind = SAMPLE_BLOCKED
        publish(&self.thread.begin, 0)

    def close(self):
        """The thread runs no more functions."""
        self.leave()
