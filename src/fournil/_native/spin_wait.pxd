from libc.stdint cimport uint64_t

cdef enum State:
    ABSENT   # nobody looks
    LOOKING  # one thread does
    CALLED   # it was called


cdef enum Seen:
    NOTHING
    CALL
    OTHERS  # that wanted the processor


cdef class SpinWait:
    # Moved on from ABSENT to LOOKING by who begins to look, from there to CALLED by who calls, and
    # back to ABSENT by who looks: with the GIL, but for the last.
    cdef int state

    cdef Seen watch(self, uint64_t ns) noexcept nogil
