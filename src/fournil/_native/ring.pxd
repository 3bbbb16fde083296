from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fournil._native.cpu_marks cimport CpuMarks
from fournil._native.layout cimport (
    COARSE_BIT,
    COARSE_SHIFT,
    Call,
    MAX_LOOPS,
    MAX_THREADS,
    Event,
    Header,
    HistoryRow,
    Loop,
    Pool,
    Sample,
    Site,
    Task,
    Thread,
    Worker,
)
from fournil._native.mapped cimport MappedRecording
from fournil._native.table cimport PointerTable, lookup

cdef extern from "Python.h":
    int PyFunction_Check(PyObject *)
    int PyMethod_Check(PyObject *)
    PyObject *PyFunction_GET_CODE(PyObject *)
    PyObject *PyMethod_GET_FUNCTION(PyObject *)

cdef enum:
    # In tasks_by_address: this and a site, for a task that found no slot.
    NO_SLOT = 1 << 30


cdef class Ring(MappedRecording):
    cdef int guard                      # the mapping's place in sys/map_guard.h
    # The thread states of `threads`, for reading their stacks. Written by the thread with the
    # GIL when it begins and ends to run; the watch reads them without, so that one may be gone
    # when it is used (sys/stack_read.h).
    cdef void *states[MAX_THREADS]
    # What the threads of loops have used of the CPU.
    cdef CpuMarks cpu_marks[MAX_LOOPS]
    # Which thread was seen with the GIL for which a loop waited, and is not named yet; 0: none.
    # Written by the watch; set back, with the GIL, by who names it.
    cdef uint64_t gil_holders[MAX_LOOPS]
    # Which slot is the main thread's while it runs no loop; -1: none.
    cdef int script_slot
    # Touched only with the GIL held.
    cdef PointerTable sites_by_code     # code object, method table or type -> site
    cdef PointerTable tasks_by_address  # task -> slot, or NO_SLOT + site
    cdef dict sites_by_place            # (name, file, line) -> site
    cdef list kept                      # the keys of sites_by_code, so that none is reused
    cdef uint32_t *ended_tasks          # a ring of slots to use again, oldest first
    cdef uint64_t ended_head
    cdef uint64_t ended_count
    # The numbers that were given out last.
    cdef uint32_t last_task_id
    cdef uint32_t last_thread
    cdef uint32_t last_loop
    cdef uint32_t last_pool
    cdef uint32_t last_worker
    cdef uint32_t unnamed               # the text "?"

    cdef void look(self) noexcept nogil
    cdef Sample *next_sample(self) noexcept nogil
    cdef uint32_t site_of(self, object coroutine) noexcept
    cdef inline uint32_t site_of_callback(self, PyObject *callback) noexcept:
        """Return the site of a callable."""
        # Most are functions, or methods that are: what each step asks first.
        cdef PyObject *function = callback
        cdef int64_t known = -1
        if PyMethod_Check(function):
            function = PyMethod_GET_FUNCTION(function)
        if PyFunction_Check(function):
            known = lookup(self.sites_by_code, PyFunction_GET_CODE(function))
        return self.site_of_other(function) if known < 0 else <uint32_t> known

    cdef uint32_t site_at(self, str name, str file, uint32_t line) except? 0
    cdef uint32_t site_of_other(self, PyObject *function) noexcept
    cdef inline uint32_t site_of_slot(self, Task *slot) noexcept:
        # The file may be written by others: whatever it says, nothing else is written to.
        return slot.site if slot.site < self.sites_count else 0

    cdef uint32_t new_site(self, void *key, object code, uint32_t flags) noexcept
    cdef void leave_task_slot(self, Task *slot) noexcept
    cdef void forget_task(self, void *task, uint64_t now) noexcept
    cdef int take_task_slot(self) except -2
    cdef void release_task_slot(self, uint32_t slot) noexcept


cdef uint32_t next_number(uint32_t last) noexcept nogil

# The ring that loops record into; NULL: none. Written with the GIL held.
cdef PyObject *current_ring

cdef void note_listening() noexcept
cdef void note_accepted() noexcept

cdef inline uint32_t pack_ticks(uint64_t ticks) noexcept nogil:
    """Return the 32-bit form of a duration (fournil.record.units)."""
    if ticks < COARSE_BIT:
        return <uint32_t> ticks
    ticks >>= COARSE_SHIFT
    if ticks >= COARSE_BIT:
        ticks = COARSE_BIT - 1
    return <uint32_t> (COARSE_BIT | ticks)
