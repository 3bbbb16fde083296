from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fournil._native.handles cimport Handle
from fournil._native.layout cimport Header, Loop, Site, Task, Thread
from fournil._native.ring cimport Ring


cdef struct Step:
    # The step that a loop runs. One that runs turns of its own loop, as under nest_asyncio, is
    # recorded in parts: from its begin to the first of these turns, from one to the next, and on
    # to its end.
    uint64_t begin                      # of the part that goes on; 0: a turn inside it runs
    uint64_t delay
    uint32_t subject                    # 0: no step
    uint32_t waker
    uint8_t kind
    bint is_first                       # of its task, and its first part
    PyObject *handle                    # which one is run; never looked into
    Task *slot                          # of the task; NULL: it is none, or has found none
    Site *site


cdef struct Running:
    # What the caller of a step keeps meanwhile: of that step, and of the one that it is inside of.
    PyObject *task                      # borrowed from the callback, which the loop holds
    Step outer


cdef class LoopRecord:
    # Touched by the loop's thread only, with the GIL held.
    cdef Ring ring
    # NULL: the loop found no slot and is not recorded. They stay mapped as long as the ring is.
    cdef Thread *thread
    cdef Loop *loop
    cdef Header *header
    cdef uint64_t *returned             # see layout.THREAD; written without the GIL
    cdef uint64_t returned_without_slot
    cdef int slot
    cdef int script_slot                # of this thread; -1: it is not the main thread
    # The tick when the last look at the kernel ended, before the thread had the GIL again.
    cdef uint64_t polled
    cdef uint64_t ended                 # the tick when a step ended, or the turn's first begins
    cdef readonly uint32_t subject      # of the step now running; 0: none
    cdef Step step                      # it

    cdef void begin_run(self) noexcept
    cdef void end_run(self) noexcept
    cdef void begin_wait(self, uint64_t now) noexcept
    cdef void count_turn(self, uint64_t turn) noexcept
    cdef void end_wait(self, uint64_t began, uint64_t now, int events, bint waited) noexcept
    cdef void begin_steps(self, uint64_t now) noexcept
    cdef void begin_step(self, Running *running, Handle handle, PyObject *callback) noexcept
    cdef void end_step(self, Running *running) noexcept
    cdef void end_steps(self) noexcept
    cdef void end_part(self, uint64_t now) noexcept
    cdef void waited_for_gil(self, uint64_t since, uint64_t now) noexcept
    cdef void created(self, object task, object coroutine) noexcept
    cdef void task_ended(self, PyObject *task, uint64_t now) noexcept
    cdef void name_task(self, Task *slot, object task) noexcept
    cdef int64_t born(
        self, object task, object coroutine, uint32_t parent, uint64_t now
    ) noexcept
    cdef void close(self) noexcept


cdef LoopRecord new_record(Ring ring)
