from libc.stdint cimport uint64_t

from cpython.object cimport PyObject

from fournil._native.handles cimport Handle, TimerHandle
from fournil._native.inbox cimport Inbox
from fournil._native.poller cimport Poller
from fournil._native.ready cimport ReadyQueue
from fournil._native.steps cimport LoopRecord
from fournil._native.timers cimport Timers


cdef class LoopCore:
    # Touched only by threads that hold the GIL.
    cdef ReadyQueue ready
    cdef Timers timers
    cdef Poller poller
    cdef Inbox inbox
    cdef uint64_t polled_at             # the tick of the last look at the kernel
    cdef uint64_t poll_interval         # ticks
    cdef bint own_clock                 # `time` is ours: CLOCK_MONOTONIC
    cdef bint own_futures               # `create_future` is ours
    cdef double ticks_per_second
    # Of a task or a future that is made with no others; never changed, None once closed.
    cdef dict task_options
    # The recorder's side of this loop, None while none is on; and the ring that it, or its
    # absence, was decided by.
    cdef LoopRecord record
    cdef PyObject *ring_seen
    # asyncio's names: its methods, which the loop inherits, read and write them too.
    cdef public bint _closed
    cdef public bint _stopping
    cdef public bint _debug
    cdef public object _thread_id
    cdef public object _task_factory

    cdef int look_at_replaced(self) except -1
    cdef double now(self) except? -1
    cdef int turn(self) except -1
    cdef int look(self) except -1
    cdef int fire_timers(self) except -1
    cdef int run_ready(self, uint64_t now) except -1
    cdef int run_recorded(self, Handle handle) except -1
    cdef int follow_recorder(self) except -1
    cdef int run(self, Handle handle) except -1
    cdef int failed(self, Handle handle) except -1
    cdef object new_future(self)
    cdef object new_task(self, coroutine, dict options)
    cdef Handle new_handle(self, callback, args, context)
    cdef Handle new_threadsafe_handle(self, callback, args, context)
    cdef Handle soon(self, callback, args, context)
    cdef TimerHandle set_timer(self, double when, callback, args, context)
