from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.ring cimport Ring
from fournil._native.sys.threads cimport pthread_mutex_t

cdef enum:
    KNOWN_STACKS = 8192


cdef struct KnownStack:
    uint64_t hash
    uint32_t text


cdef class StackStore:
    cdef Ring ring
    cdef pthread_mutex_t lock           # guards `known`; nobody waits for the GIL while holding it
    cdef KnownStack known[KNOWN_STACKS]

    cdef uint32_t store(self, const char *stack, size_t length) noexcept nogil
