from libc.stdint cimport uint64_t

from fournil._native.layout cimport Call, Pool, Worker
from fournil._native.ring cimport Ring


cdef class PoolRecord:
    # All of it belongs to the thread of the pool's loop, but for `slots`.
    cdef Ring ring
    cdef Pool *pool                     # NULL: it found no slot, or is closed
    cdef dict free_since                # by worker: when its last call ended, ns
    cdef uint64_t received              # when the loop took the last outcome, ns
    # By worker: its slot, or -1 where it found none. Touched with the GIL held, by the threads that
    # tell what workers run.
    cdef dict slots

    cdef Worker *slot_of(self, str worker) except? NULL
    cdef int add_times(self, str worker, Call *call) except -1
    cdef void end(self) noexcept
