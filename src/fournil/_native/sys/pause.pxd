from libc.stdint cimport uint64_t

cdef extern from "sys/pause.h" nogil:
    bint pause_for(int *ended, uint64_t ns)
    void pause_end(int *ended)
