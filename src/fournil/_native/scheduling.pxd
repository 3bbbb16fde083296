from libc.stdint cimport uint64_t

from fournil._native.handles cimport Handle, TimerHandle
from fournil._native.poller cimport Poller
from fournil._native.ready cimport ReadyQueue
from fournil._native.steps cimport LoopRecord
from fournil._native.timers cimport Timers


cdef class Scheduling:
    # Touched only by threads that hold the GIL.
    cdef ReadyQueue ready
    cdef Timers timers
    cdef Poller poller
    # The list of timers that a program was shown, and may have added to; or None.
    cdef list shown_timers
    cdef uint64_t polled_at             # the tick of the last look at the kernel
    cdef bint own_clock                 # `time` is ours: CLOCK_MONOTONIC
    # The recorder's side of this loop, None while none is on.
    cdef LoopRecord record
    # asyncio's names: its methods, which the loop inherits, read and write them too.
    cdef public bint _closed
    cdef public bint _stopping
    cdef public bint _debug
    cdef public object _thread_id
    cdef public object _task_factory

    cdef double now(self) except? -1
    cdef int adopt_timers(self) except -1
    cdef Handle new_handle(self, callback, args, context)
    cdef Handle new_threadsafe_handle(self, callback, args, context)
    cdef Handle soon(self, callback, args, context)
    cdef TimerHandle set_timer(self, double when, callback, args, context)


# How often the module `time` was changed, and what was found at the last look at it.
cdef const uint64_t *time_changes
cdef uint64_t clock_looked_at
cdef bint clock_was_real
cdef bint look_at_clock() except -1


cdef inline bint clock_is_real() except -1:
    """Return whether the clock is CLOCK_MONOTONIC."""
    return clock_was_real if time_changes[0] == clock_looked_at else look_at_clock()
