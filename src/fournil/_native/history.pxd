from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport MAX_LOOPS, Loop, Thread
from fournil._native.ring cimport Ring


cdef struct Totals:
    # Of a loop, until a tick; times in ticks.
    uint64_t at
    uint64_t ran
    uint64_t idle
    uint64_t gil_waited
    uint64_t steps
    uint64_t blocked


cdef struct Past:
    # What was known of a slot at its last row.
    uint32_t sequence                   # whose it was; 0: nobody's
    Totals totals
    uint64_t *turns                     # as many as a loop has buckets; NULL: none yet


cdef class History:
    # Touched by the watch's thread alone.
    cdef Ring ring
    cdef uint64_t written               # the tick of the last rows
    cdef Past past[MAX_LOOPS]

    cdef void write(self, uint64_t now, uint64_t interval) noexcept nogil
    cdef void write_row(self, int slot, uint64_t now) noexcept nogil
