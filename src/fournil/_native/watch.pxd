from libc.stdint cimport uint32_t, uint64_t

from fournil._native.gil_probe cimport GilProbe
from fournil._native.history cimport History
from fournil._native.layout cimport MAX_THREADS, Sample
from fournil._native.looks cimport Look, Looks, Sight
from fournil._native.ring cimport Ring
from fournil._native.stacks cimport StackStore
from fournil._native.sys.stack_signal cimport StackSeen
from fournil._native.sys.thread_descriptors cimport Descriptor
from fournil._native.sys.threads cimport pthread_t


cdef class Watch:
    cdef Ring ring
    cdef StackStore stacks
    cdef GilProbe probe
    cdef History history
    cdef Looks looks
    cdef bytes quota                    # the path of the file that tells of a quota
    cdef bint started
    cdef bint running
    # Set before the thread starts, read by it.
    cdef uint64_t ticks_per_ms
    cdef const char *quota_path
    cdef pthread_t thread
    cdef int ready                      # ends the wait of `start`: the thread has opened its files
    cdef int stopping                   # ends the waits of the thread, and the thread
    # The watch's thread.
    cdef Look looked[MAX_THREADS]
    cdef Look holder                    # the thread that has the GIL for which a loop waits
    cdef int tid                        # its own
    cdef Descriptor schedstat           # of this thread
    cdef Descriptor quota_stat
    cdef uint64_t wanted_ns             # how long it wanted a CPU so far, and had none
    cdef uint64_t throttled_us          # how long a quota had stopped the process so far
    cdef uint64_t blocked               # steps of all loops, when it was last late
    cdef bint was_starved               # by a look since the last pass

    cdef void end(self) noexcept
    cdef void watch(self) noexcept nogil
    cdef void answer_control(self) noexcept nogil
    cdef void note_late(self, uint64_t due, uint64_t now) noexcept nogil
    cdef bint has_blocked(self, uint64_t since) noexcept nogil
    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil
    cdef uint64_t interval(self, uint64_t ticks, uint64_t least, uint64_t most) noexcept nogil
    cdef uint64_t begin_of(self, uint32_t slot, bint *is_between) noexcept nogil
    cdef void meet(
        self, uint32_t slot, uint64_t begin, bint is_between, uint64_t first, uint64_t now
    ) noexcept nogil
    cdef void look_at(self, int slot, uint64_t begin) noexcept nogil
    cdef uint32_t next_slot(self, uint32_t slot) noexcept nogil
    cdef uint64_t look_if_due(self, uint32_t slot, uint64_t *now) noexcept nogil
    cdef void look_at_timed(self) noexcept nogil
    cdef bint waits_for_gil(self, Look *look) noexcept nogil
    cdef void write_sample(self, int slot, uint64_t begin, Sight *sight) noexcept nogil
    cdef void note_holder(self, int slot) noexcept nogil
    cdef void look_at_holder(
        self, int slot, uint64_t begin, uint64_t since, uint64_t now
    ) noexcept nogil
    cdef uint64_t switch_interval_ns(self) noexcept nogil
    cdef void write_stack(self, Sample *sample, StackSeen *seen) noexcept nogil
