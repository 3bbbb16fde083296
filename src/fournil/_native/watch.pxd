from libc.stdint cimport uint32_t, uint64_t

from fournil._native.asker cimport Asker
from fournil._native.ring cimport MAX_THREADS, Ring
from fournil._native.stacks cimport StackStore
from fournil._native.sys.stack_signal cimport StackSeen
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
    int stat_fd
    int syscall_fd
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
    cdef Asker asker
    cdef bint running
    # Set before the thread starts, read by it.
    cdef uint64_t ticks_per_ms
    cdef int wake_fd                    # readable when the watch is to stop
    cdef int through[2]                 # for reading the stacks of waiting threads
    cdef pthread_t thread
    cdef int stopping                   # set once, read by the thread
    # The watch's thread.
    cdef int signal                     # 0: none was free, or the program took it
    cdef Look looks[MAX_THREADS]
    cdef StackSeen seen

    cdef void watch(self) noexcept nogil
    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil
    cdef uint64_t interval(self, uint64_t ticks, uint64_t least, uint64_t most) noexcept nogil
    cdef void look_at(self, int slot, uint64_t begin) noexcept nogil
    cdef void look_at_holders(self, uint32_t used) noexcept nogil
    cdef bint waits_for_gil(self, Look *look) noexcept nogil
    cdef uint64_t time_on_cpu(self, Look *look, uint64_t now, uint64_t cpu_ns) noexcept nogil
    cdef int ask_for_stack(self, int slot) noexcept nogil
    cdef void see_answer(self, int answer, Sight *sight) noexcept nogil
    cdef bint see_waiting(self, int slot, Sight *sight) noexcept nogil
    cdef bint see_running(
        self, int slot, uint64_t cpu_ns, long kernel_ticks, Sight *sight
    ) noexcept nogil
    cdef void write_sample(self, int slot, uint64_t begin, Sight *sight) noexcept nogil
    cdef bint open_files(self, Look *look, int tid) noexcept nogil
    cdef void close_files(self, Look *look) noexcept nogil
