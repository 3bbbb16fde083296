from cpython.object cimport PyObject
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport (
    COARSE_BIT,
    COARSE_SHIFT,
    Call,
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
from fournil._native.table cimport PointerTable

cdef enum:
    LONGEST_NAME = 4096                 # bytes that are kept of one

cdef enum:
    # In tasks_by_address: this and a site, for a task that found no slot.
    NO_SLOT = 1 << 30


cdef class Ring:
    # The mapping. Fields of it: record/layout.py says what each is; here, who writes it.
    # `header` counters: threads with the GIL, but `samples_head`, `text_used`, `text_dropped`,
    # `history_head`, `watch_*`, `control_*` and the clock pair, which the watch writes as well or
    # alone.
    cdef Header *header
    cdef Site *sites                    # threads with the GIL
    cdef Task *tasks                    # threads with the GIL
    cdef Thread *threads                # the thread itself, with the GIL
    cdef Loop *loops                    # the loop's thread, with the GIL
    cdef Pool *pools                    # the thread of the pool's loop, with the GIL
    cdef Worker *workers                # as hook.PoolRecord says, with the GIL
    cdef HistoryRow *history            # the watch
    cdef Sample *samples                # places by atomic addition
    cdef Event *events                  # threads with the GIL
    cdef Call *calls                    # threads with the GIL
    cdef char *text                     # places by atomic addition
    cdef size_t size
    cdef uint64_t events_mask
    cdef uint64_t samples_mask
    cdef uint64_t calls_mask
    cdef uint64_t history_mask
    # Also in the header, but a forked child finds that emptied.
    cdef uint64_t text_size
    cdef uint64_t sites_count
    cdef uint64_t tasks_count
    # Written by the watch when it is asked to, read by loops at each step.
    cdef uint64_t threshold_ticks
    cdef int guard                      # the mapping's place in sys/map_guard.h
    cdef readonly str path
    cdef readonly int pid               # that records; a forked child has another
    # The thread states of `threads`, for reading their stacks. Written by the thread with the
    # GIL when it begins and ends to run; the watch reads them without, so that one may be gone
    # when it is used (sys/stack_read.h).
    cdef void *states[MAX_THREADS]
    # Which slot is the main thread's while it runs no loop; -1: none.
    cdef int script_slot
    # Touched only with the GIL held.
    cdef PointerTable sites_by_code     # code object, method table or type -> site
    cdef PointerTable tasks_by_address  # task -> slot, or NO_SLOT + site
    cdef list kept                      # the keys of sites_by_code, so that none is reused
    cdef dict texts                     # string -> offset in text
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
    cdef uint32_t write_text(self, const char *data, size_t length) noexcept nogil
    cdef uint32_t write_string(self, str string) noexcept
    cdef uint32_t intern(self, str string) except? 0
    cdef Sample *next_sample(self) noexcept nogil
    cdef uint32_t site_of(self, object coroutine) noexcept
    cdef uint32_t site_of_callback(self, PyObject *callback) noexcept
    cdef inline uint32_t site_of_slot(self, Task *slot) noexcept:
        # The file may be written by others: whatever it says, nothing else is written to.
        return slot.site if slot.site < self.sites_count else 0

    cdef uint32_t new_site(self, void *key, object code, uint32_t flags) noexcept
    cdef int open_thread(self, uint32_t state, uint32_t number, str name) except -2
    cdef void close_thread(self, int slot) noexcept
    cdef void leave_task_slot(self, Task *slot) noexcept
    cdef void forget_task(self, void *task, uint64_t now) noexcept
    cdef int take_task_slot(self) except -2
    cdef void release_task_slot(self, uint32_t slot) noexcept


cdef uint32_t next_number(uint32_t last) noexcept nogil

# The ring that loops record into; NULL: none. Written with the GIL held.
cdef PyObject *current_ring

cdef inline uint32_t pack_ticks(uint64_t ticks) noexcept nogil:
    """Return the 32-bit form of a duration (fournil.record.units)."""
    if ticks < COARSE_BIT:
        return <uint32_t> ticks
    ticks >>= COARSE_SHIFT
    if ticks >= COARSE_BIT:
        ticks = COARSE_BIT - 1
    return <uint32_t> (COARSE_BIT | ticks)
