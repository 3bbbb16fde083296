from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport MAX_THREADS
from fournil._native.ring cimport Ring
from fournil._native.sys.thread_descriptors cimport Descriptor
from fournil._native.sys.threads cimport pthread_t, sem_t


cdef struct Question:
    # Of one thread slot. The watch's while `held` is 0, the probe's from then on.
    uint64_t held                       # the thread held the GIL: time how long it keeps it
    uint32_t ask                        # the number of the request
    uint64_t begin                      # of the step
    uint64_t since                      # the tick from which on it is timed
    uint64_t cpu_ns                     # the thread's CPU time then
    int tid
    # The watch's, also later: the thread's CPU time when it was last looked at, and when it was
    # first seen without the GIL; 0: not yet.
    uint64_t last_cpu_ns
    uint64_t let_go_cpu_ns
    # The watch's: the thread's CPU time when it was first seen that the GIL's holder has been
    # told to give it up; 0: not yet.
    uint64_t told_cpu_ns
    # A later step of the thread, which holds the GIL while the request is still open; 0: none.
    # The watch's until the request is granted, as are its request's number and its start.
    uint64_t later_begin
    uint32_t later_ask
    uint64_t later_since
    uint64_t later_cpu_ns
    # The begin of a step of which it is to be found out what it serves; 0: of none. The watch's
    # while no request is under way, the probe's from then on.
    uint64_t served
    uint64_t served_known               # of the last step of which it was; the probe's


cdef enum AskState:
    ASK_IDLE                            # the watch may fill in questions, and open a request
    ASK_OPEN                            # a request is under way, and may still be joined
    ASK_GRANTED                         # it has the GIL


cdef class GilProbe:
    cdef Ring ring
    cdef pthread_t thread
    cdef bint running
    cdef int stopping                   # set once, read by the thread
    cdef int opened                     # ends the wait of the thread: for a request, and to stop
    cdef sem_t gil_taken                # posted in the calibration
    cdef int calibrating_tid            # the thread that waits for the GIL then
    cdef uint64_t gil_futex             # where threads wait for the GIL; 0: not known
    cdef uint64_t state                 # AskState
    cdef double ticks_per_ns
    cdef int tid                        # the thread's own; set before `start` returns
    cdef Descriptor status              # its `status` file; the watch's
    # The thread's: the folder of threads' files, and its own of these names.
    cdef Descriptor threads
    cdef Descriptor schedstat
    cdef Descriptor own_status
    cdef uint64_t waits                 # of the thread, before the request that is under way
    cdef uint32_t number                # of the last request; the watch's
    cdef int put                        # questions since the last request; the watch's
    cdef Question questions[MAX_THREADS]

    cdef int start(self) noexcept
    cdef void stop(self) noexcept
    # Called by the watch's thread.
    cdef uint32_t time_holder(self, int slot, uint64_t begin, int tid) noexcept nogil
    cdef uint32_t time_later(self, int slot, uint64_t begin) noexcept nogil
    cdef void ask_what_it_serves(self, int slot, uint64_t begin) noexcept nogil
    cdef bint is_timing(self, int slot, uint64_t begin) noexcept nogil
    cdef void note_let_go(self, int slot, uint64_t cpu_ns) noexcept nogil
    cdef void open_status(self, const Descriptor *threads) noexcept nogil
    cdef void close_status(self) noexcept nogil
    cdef bint holder_is_told(self) noexcept nogil
    cdef void note_told(self, int slot, uint64_t cpu_ns) noexcept nogil
    cdef void note_cpu(self, int slot, uint64_t cpu_ns) noexcept nogil
    cdef void ask_for_names(self) noexcept nogil
    cdef void open(self) noexcept nogil
    cdef bint is_open(self) noexcept nogil
    cdef bint is_gil_futex(self, uint64_t address) noexcept nogil
    # The probe's thread.
    cdef void run(self) noexcept nogil
    cdef void learn_gil_futex(self) noexcept
    cdef void answer(self, uint64_t waited_ns) noexcept
    cdef void tell_what_is_served(self, int slot, uint64_t begin) noexcept
    cdef void write_answer(
        self, int slot, uint32_t ask, uint64_t begin, uint64_t since, uint64_t cpu_ns,
        uint64_t waited_ns
    ) noexcept
