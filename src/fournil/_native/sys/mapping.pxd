from libc.stddef cimport size_t

cdef extern from "<sys/mman.h>" nogil:
    enum:
        PROT_READ
        PROT_WRITE
        MAP_SHARED
        MAP_POPULATE
    void *MAP_FAILED
    void *mmap(void *address, size_t size, int protection, int flags, int fd, long offset)
    int munmap(void *address, size_t size)

# The mapping that a forked child must not write to; see the header.
cdef extern from "sys/fork_guard.h" nogil:
    int fork_guard_install()
    void fork_guard_set(void *base, size_t size, unsigned long long *forks)
