from libc.stdint cimport uint64_t

from cpython.object cimport PyObject

from fournil._native.handles cimport Handle
from fournil._native.inbox cimport Inbox
from fournil._native.spawning cimport Spawning


cdef class LoopCore(Spawning):
    # Touched only by threads that hold the GIL.
    cdef Inbox inbox
    cdef uint64_t poll_interval         # ticks
    cdef double ticks_per_second
    # What the program has put in the place of asyncio's, as of these versions of the classes.
    cdef bint turns_by_others           # whole turns: `_run_once`
    cdef bint parts_by_others           # parts of them
    cdef bint handles_by_others         # `Handle._run`
    cdef bint selector_is_foreign       # it is asked, and waits for the poller's descriptor
    cdef int told_fd                    # of the poller, as such a selector knows it; -1: not yet
    cdef unsigned int class_version
    cdef unsigned int handle_version
    # The ring that `record`, or its absence, was decided by.
    cdef PyObject *ring_seen

    cdef int look_at_replaced(self, name) except -1
    cdef int follow_patches(self) except -1
    cdef int look_at_patches(self) except -1
    cdef int turn(self) except -1
    cdef long long time_to_wait(self) except -2
    cdef int look(self) except -1
    cdef int wait(self, long long timeout_ns) except -1
    cdef int fire_timers(self) except -1
    cdef int run_ready(self, uint64_t now) except -1
    cdef int run_recorded(self, Handle handle) except -1
    cdef int follow_recorder(self) except -1
    cdef int run(self, Handle handle) except -1
    cdef int turn_by_parts(self) except -1
    cdef int run_by_asyncio(self, Handle handle) except -1
    cdef int run_by_hand(self, Handle handle) except -1
    cdef int failed(self, Handle handle) except -1
