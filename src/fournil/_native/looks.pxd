from libc.stdint cimport uint32_t, uint64_t

from fournil._native.gil_probe cimport GilProbe
from fournil._native.ring cimport Ring
from fournil._native.sys.stack_signal cimport PyThreadState, StackReader, StackSeen
from fournil._native.sys.thread_descriptors cimport Descriptor


cdef struct Look:
    # What the watch knows of one thread slot.
    uint64_t begin                      # the step that is being looked at; 0: none
    uint64_t last                       # the tick of the last sample, at first the step's begin
    uint64_t met                        # the tick when the watch first saw the step
    uint64_t last_cpu_ns                # the thread's CPU time then, at first at `met`
    uint64_t last_wanted_ns             # the same of how long it wanted a CPU and had none
    uint64_t next                       # the tick of the next sample
    uint64_t unanswered_cpu_ns          # its CPU time while it was asked and did not answer
    long kernel_ticks                   # see thread_kernel_ticks; as the two before
    bint is_between                     # it is no step: the loop waits for the GIL between two
    int holder                          # the thread that was last seen with that GIL; 0: none
    uint64_t holder_waits               # how often it had waited by then
    uint64_t holder_wanted_ns           # and how long it had wanted a CPU and had none
    uint64_t holder_cpu_ns              # its CPU time when it was first seen after its last wait
    int tid                             # whose files are open; 0: none
    Descriptor stat
    Descriptor syscall
    Descriptor schedstat
    int timer                           # by which it is asked for its stack; -1: none


cdef struct Sight:
    # What one look at a thread saw.
    StackSeen *stack
    bint runs                           # not off the CPU
    unsigned char evidence              # SAW_*
    uint32_t syscall                    # as in a sample
    # In ticks, of the time since the last sample: all of it, and for how much of it the thread was
    # on a CPU, and wanted one and had none.
    uint64_t whole
    uint64_t on_cpu
    uint64_t wanted


cdef class Looks:
    cdef Ring ring
    cdef GilProbe probe
    # All that follows is the watch's thread's, once that has begun.
    cdef double ticks_per_ns
    cdef bint took_signal
    cdef int signal                     # 0: none was free, or the program took it
    cdef bint apart                     # its descriptors are in a table of its own
    cdef Descriptor threads             # the folder of their files
    cdef Descriptor memory              # of this process
    cdef StackReader reader
    cdef StackSeen seen

    # Of the thread that starts the watch, and ends it.
    cdef void prepare(self, double ticks_per_ns)
    cdef void give_back(self) noexcept
    # Of the watch's thread.
    cdef void begin(self) noexcept nogil
    cdef void open_files(self) noexcept nogil
    cdef void close_files(self) noexcept nogil
    cdef bint open_files_of(self, Look *look, int tid) noexcept nogil
    cdef void close_files_of(self, Look *look) noexcept nogil
    cdef bint see(self, Look *look, const PyThreadState *state, Sight *sight) noexcept nogil
    cdef const PyThreadState *holder_of_gil(
        self, const PyThreadState *waits, int *tid
    ) noexcept nogil
    cdef void note_holder(self, Look *look, int tid) noexcept nogil
    cdef void meet(self, Look *look, int tid) noexcept nogil
    cdef void look_at_signal(self) noexcept nogil
    cdef bint see_at_rest(
        self, Look *look, const PyThreadState *state, int tries, Sight *sight
    ) noexcept nogil
    cdef int ask_for_stack(self, Look *look, const PyThreadState *state) noexcept nogil
    cdef void see_answer(self, int answer, Sight *sight) noexcept nogil
    cdef bint see_running(
        self, Look *look, const PyThreadState *state, uint64_t cpu_ns, Sight *sight
    ) noexcept nogil
    cdef void see_times(self, Look *look, uint64_t now, Sight *sight) noexcept nogil
    cdef uint64_t part(
        self, const Look *look, uint64_t now, uint64_t ns, uint64_t last_ns, uint64_t whole
    ) noexcept nogil
