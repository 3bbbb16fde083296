from libc.stdint cimport uint32_t, uint64_t

from fournil._native.gil_probe cimport GilProbe
from fournil._native.history cimport History
from fournil._native.layout cimport MAX_THREADS
from fournil._native.ring cimport Ring
from fournil._native.stacks cimport StackStore
from fournil._native.sys.stack_signal cimport StackReader, StackSeen
from fournil._native.sys.thread_descriptors cimport Descriptor
from fournil._native.sys.threads cimport pthread_t


cdef struct Look:
    # What the watch knows of one thread slot.
    uint64_t begin                      # the step that is being looked at; 0: none
    uint64_t last                       # the tick of the last sample, at first the step's begin
    uint64_t met                        # the tick when the watch first saw the step
    uint64_t last_cpu_ns                # the thread's CPU time then, at first at `met`
    uint64_t next                       # the tick of the next sample
    uint64_t unanswered_cpu_ns          # its CPU time while it was asked and did not answer
    long kernel_ticks                   # see thread_kernel_ticks; when that began
    int tid                             # whose files are open; 0: none
    Descriptor stat
    Descriptor syscall
    int timer                           # by which it is asked for its stack; -1: none


cdef struct Sight:
    # What one look at a thread saw.
    StackSeen *stack
    bint runs                           # not off the CPU
    unsigned char evidence              # SAW_*
    uint32_t syscall                    # as in a sample


cdef class Watch:
    cdef Ring ring
    cdef StackStore stacks
    cdef GilProbe probe
    cdef History history
    cdef bint started
    cdef bint running
    cdef bint took_signal
    # Set before the thread starts, read by it.
    cdef uint64_t ticks_per_ms
    cdef pthread_t thread
    cdef int ready                      # ends the wait of `start`: the thread has opened its files
    cdef int stopping                   # ends the waits of the thread, and the thread
    # The watch's thread.
    cdef int signal                     # 0: none was free, or the program took it
    cdef bint apart                     # its descriptors are in a table of its own
    cdef Descriptor threads             # the folder of their files
    cdef Descriptor memory              # of this process
    cdef Look looks[MAX_THREADS]
    cdef StackReader reader
    cdef StackSeen seen

    cdef void end(self) noexcept
    cdef void watch(self) noexcept nogil
    cdef void answer_control(self) noexcept nogil
    cdef void open_files(self) noexcept nogil
    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil
    cdef uint64_t interval(self, uint64_t ticks, uint64_t least, uint64_t most) noexcept nogil
    cdef void look_at(self, int slot, uint64_t begin) noexcept nogil
    cdef uint32_t next_slot(self, uint32_t slot) noexcept nogil
    cdef uint64_t look_if_due(self, uint32_t slot, uint64_t *now) noexcept nogil
    cdef void look_at_holders(self) noexcept nogil
    cdef bint waits_for_gil(self, Look *look) noexcept nogil
    cdef uint64_t time_on_cpu(self, Look *look, uint64_t now, uint64_t cpu_ns) noexcept nogil
    cdef int ask_for_stack(self, int slot) noexcept nogil
    cdef void see_answer(self, int answer, Sight *sight) noexcept nogil
    cdef bint see_waiting(self, int slot, Sight *sight) noexcept nogil
    cdef bint see_running(
        self, int slot, uint64_t cpu_ns, long kernel_ticks, Sight *sight
    ) noexcept nogil
    cdef void write_sample(self, int slot, uint64_t begin, Sight *sight) noexcept nogil
    cdef bint open_files_of(self, Look *look, int tid) noexcept nogil
    cdef void close_files_of(self, Look *look) noexcept nogil
