from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fournil._native.handles cimport Handle
from fournil._native.layout cimport Site, Task, Thread
from fournil._native.ring cimport Ring


cdef class LoopRecord:
    # Touched by the loop's thread only, with the GIL held.
    cdef Ring ring
    cdef Thread *thread                 # NULL: the loop found no slot and is not recorded
    cdef int slot
    cdef int script_slot                # of this thread; -1: it is not the main thread
    cdef uint64_t polled                # the tick when the last look at the kernel ended
    cdef uint64_t ended                 # the tick when a step ended, or the turn's first begins
    # The step now running.
    cdef readonly uint32_t subject
    cdef uint64_t began
    cdef uint64_t delay
    cdef uint32_t waker
    cdef uint8_t kind
    cdef PyObject *task                 # borrowed from the callback, which the loop holds
    cdef Task *task_slot
    cdef Site *site

    cdef int begin_run(self) except -1
    cdef void end_run(self) noexcept
    cdef void begin_wait(self, uint64_t now) noexcept
    cdef void end_wait(self, uint64_t began, uint64_t now, int events, bint waited) noexcept
    cdef void begin_steps(self, uint64_t now) noexcept
    cdef int begin_step(self, Handle handle, PyObject *callback) except -1
    cdef int end_step(self) except -1
    cdef void end_steps(self) noexcept
    cdef int created(self, object task, object coroutine) except -1
    cdef int task_ended(self, PyObject *done, uint64_t now) except -1
    cdef int name_task(self, Task *slot, object task) except -1
    cdef int64_t born(self, object task, object coroutine, uint32_t parent, uint64_t now) except -2
    cdef void close(self) noexcept
