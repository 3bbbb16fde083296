from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport (
    Call,
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

cdef enum:
    LONGEST_NAME = 4096                 # bytes that are kept of one


cdef class MappedRecording:
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
    cdef readonly str path
    cdef readonly int pid               # that records; a forked child has another
    # Touched only with the GIL held.
    cdef dict texts                     # string -> offset in text

    cdef uint32_t write_text(self, const char *data, size_t length) noexcept nogil
    cdef uint32_t write_string(self, str string) noexcept
    cdef uint32_t intern(self, str string) except? 0
