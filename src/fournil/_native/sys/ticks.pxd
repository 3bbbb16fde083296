from libc.stdint cimport uint64_t

cdef extern from "sys/ticks.h" nogil:
    int ticks_choose()
    uint64_t ticks_now()
    uint64_t monotonic_ns()
