from libc.stdint cimport uint64_t

# What the kernel says of one thread of this process; see the header.
cdef extern from "sys/thread_state.h" nogil:
    int thread_file(int tid, const char *name)
    char thread_state(int stat_fd)
    long thread_kernel_ticks(int stat_fd)
    long thread_syscall(int syscall_fd, uint64_t *argument)
    uint64_t thread_cpu_ns(int tid)
    uint64_t thread_cpu_wait_ns(int schedstat_fd)
    unsigned long thread_waits(int status_fd)

cdef extern from "<sys/syscall.h>" nogil:
    enum:
        SYS_futex
