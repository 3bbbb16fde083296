from libc.stdint cimport uint64_t

from fournil._native.sys.thread_descriptors cimport Descriptor

# What the kernel says of one thread of this process; see the header.
cdef extern from "sys/thread_state.h" nogil:
    const char *THREADS
    Descriptor thread_file(const Descriptor *threads, int tid, const char *name)
    void thread_file_reopen(Descriptor *one, const Descriptor *threads, int tid, const char *name)
    char thread_state(const Descriptor *stat)
    long thread_kernel_ticks(const Descriptor *stat)
    long thread_syscall(const Descriptor *file, uint64_t *argument)
    uint64_t thread_cpu_ns(int tid)
    uint64_t thread_cpu_wait_ns(const Descriptor *schedstat)
    uint64_t own_cpu_ns()
    uint64_t group_throttled_us(const Descriptor *stat)
    unsigned long thread_waits(const Descriptor *status)

cdef extern from "<sys/syscall.h>" nogil:
    enum:
        SYS_futex
