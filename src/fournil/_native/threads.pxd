from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport Thread
from fournil._native.ring cimport Ring


cdef class ThreadRecord:
    # Touched by its thread only, with the GIL held; its end also by whoever lets go of it last.
    cdef Ring ring
    cdef Thread *thread                 # NULL: it found no slot, or is closed
    cdef int slot

    cdef void leave(self) noexcept


cdef int open_thread(Ring ring, uint32_t state, uint32_t number, str name) except -2
cdef void close_thread(Ring ring, int slot) noexcept
