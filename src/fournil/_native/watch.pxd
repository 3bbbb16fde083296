from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.ring cimport MAX_THREADS, Ring
from fournil._native.stacks cimport STACK_BYTES, StackStore
from fournil._native.sys.threads cimport pthread_t, sem_t


cdef struct Look:
    # What the watch knows of one thread slot. Touched by the watch's thread only.
    uint64_t begin                      # the step that is being looked at; 0: none
    uint64_t last                       # the tick of the last sample, at first the step's begin
    uint64_t last_cpu_ns                # the thread's CPU time then
    uint64_t next                       # the tick of the next sample
    uint32_t ask                        # the last ask that timed how long it keeps the GIL
    int tid                             # whose files are open; 0: none
    int stat_fd
    int syscall_fd


cdef struct Question:
    # What the asker is to find out of one slot when it has the GIL. Written by the watch
    # while no ask is open, by the asker while one is.
    bint held                           # the thread held the GIL on the CPU: time how long it keeps it
    bint stack                          # the thread waits: its stack and its state are wanted
    uint64_t begin                      # of the step
    uint64_t since                      # what the sample stands for
    uint64_t cpu_ns                     # the thread's CPU time at the ask
    uint64_t last_cpu_ns                # the thread's CPU time at `since`
    int tid
    int stat_fd
    uint32_t syscall
    unsigned char evidence
    uint64_t sampled_at                 # the answer: the tick of the sample, 0: none was taken
    uint64_t sampled_cpu_ns


cdef enum AskState:
    ASK_IDLE                            # the watch may fill in questions
    ASK_OPEN                            # they are the asker's


cdef class Watch:
    cdef Ring ring
    cdef StackStore stacks
    cdef bint running
    # Set before the threads start, read by them.
    cdef uint64_t ticks_per_ms
    cdef int wake_fd                    # readable when the watch is to stop
    cdef int signal
    cdef int dump_fds[2]                # where threads write their stacks
    cdef pthread_t watch_thread
    cdef pthread_t ask_thread
    cdef int stopping                   # set once, read by both threads
    cdef sem_t ask_opened               # posted for each ask, and to stop
    cdef sem_t gil_taken                # posted in the calibration
    cdef int calibrating_tid            # the thread that waits for the GIL then
    cdef uint64_t gil_futex             # where threads wait for the GIL; 0: not known
    # The watch's thread.
    cdef Look looks[MAX_THREADS]
    cdef char dump[4 * STACK_BYTES]
    cdef char stack[STACK_BYTES]
    cdef bint may_ask                   # in this round of looks
    cdef int questions_put              # in this round
    # Handed to and fro by `ask_state`.
    cdef uint64_t ask_state
    cdef uint32_t ask_number
    cdef uint64_t asked_at
    cdef Question questions[MAX_THREADS]
    # The asker's thread, with the GIL.
    cdef char walked[STACK_BYTES]

    cdef void watch(self) noexcept nogil
    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil
    cdef void take_answers(self) noexcept nogil
    cdef void look_at(self, int slot, uint64_t begin, uint64_t now) noexcept nogil
    cdef void look_on_cpu(self, int slot, uint64_t begin, int gil, size_t length, bint cut) noexcept nogil
    cdef Question *put_question(self, int slot, uint64_t begin) noexcept nogil
    cdef bint open_files(self, Look *look, int tid) noexcept nogil
    cdef void close_files(self, Look *look) noexcept nogil
    cdef int ask_for_stack(self, int tid, size_t *length, bint *cut) noexcept nogil
    cdef void answer_asks(self) noexcept nogil
    cdef void learn_gil_futex(self) noexcept
    cdef void answer(self, uint64_t granted) noexcept
    cdef void answer_held(self, uint32_t slot, uint64_t granted) noexcept
    cdef void answer_stack(self, uint32_t slot) noexcept
