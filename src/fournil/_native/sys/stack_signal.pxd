from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from fournil._native.sys.thread_descriptors cimport Descriptor

# The Python stacks of threads; see the headers.
cdef extern from "sys/stack_read.h" nogil:
    ctypedef struct PyThreadState:
        unsigned long native_thread_id
    ctypedef struct CollectorSeen:
        int generation
        uint64_t objects
    ctypedef struct StackReader:
        int pid
        const Descriptor *memory
        PyThreadState thread
    ctypedef struct StackSeen:
        bint gil
        CollectorSeen collector
        size_t length
        char *text
    const PyThreadState *stack_gil_holder(StackReader *reader, const PyThreadState *one)
    bint collector_find(int first, int second)
    bint stack_read(StackReader *reader, const PyThreadState *state, StackSeen *seen)

cdef extern from "sys/stack_signal.h" nogil:
    enum:
        STACK_ON_CPU
        STACK_IN_KERNEL
        STACK_WAITS
        STACK_UNANSWERED
    ctypedef struct StackSignal:
        StackSeen seen
        uint64_t argument
    StackSignal stack_signal
    int stack_signal_take()
    int stack_signal_is_ours()
    void stack_signal_give_back()
    int stack_timer_make(int tid)
    void stack_timer_remove(int timer)
    int stack_signal_ask(
        const PyThreadState *thread, int tid, int timer, const Descriptor *stat,
        uint64_t off_cpu_ns, uint64_t patience_ns,
    )
