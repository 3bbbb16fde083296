from libc.stdint cimport uint64_t

from fournil._native.layout cimport Call, Pool
from fournil._native.ring cimport Ring


cdef class PoolRecord:
    # All of it belongs to the thread of the pool's loop.
    cdef Ring ring
    cdef Pool *pool                     # NULL: it found no slot, or is closed
    cdef dict free_since                # by worker: when its last call ended, ns
    cdef uint64_t received              # when the loop took the last outcome, ns

    cdef int add_times(self, str worker, Call *call) except -1
    cdef void end(self) noexcept
