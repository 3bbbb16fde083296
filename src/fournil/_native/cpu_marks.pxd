from libc.stdint cimport uint64_t


cdef struct CpuMark:
    # What a loop's thread had used of the CPU at a tick, and how long it had been in steps by then.
    # The watch writes it and the thread reads it, neither waiting for the other: `at` is 0 while it
    # is written.
    uint64_t at
    uint64_t cpu_ns
    uint64_t busy                       # ticks


cdef struct CpuMarks:
    CpuMark pair[2]
    int newer                           # which one is; the watch's


cdef void mark_cpu(CpuMarks *marks, uint64_t now, uint64_t cpu_ns, uint64_t busy) noexcept nogil
cdef uint64_t cpu_of_step(
    CpuMarks *marks, uint64_t begin, uint64_t now, uint64_t busy
) noexcept nogil
