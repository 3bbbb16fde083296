from libc.stdint cimport uint64_t

from fournil._native.sys.epoll cimport epoll_event


# How many forks lie between the first process and this one; written by the child that is born.
cdef unsigned int forks

cdef enum:
    BATCH = 512


cdef class Epoll:
    # Touched only by threads that hold the GIL, but for `events`, which the kernel
    # fills while the loop's thread waits without it.
    cdef int fd                         # of the instance; -1: closed
    # An eventfd that can always be read. What is armed to report it, once, is the instance's
    # entry of it: so a wake writes to no descriptor.
    cdef int wake_fd
    cdef unsigned int forks             # as many as there were when the instance was made
    # True from just before the wait until just after it, both with the GIL held: so a
    # thread that pushed a handle under the GIL either was seen, or sees this and wakes.
    cdef bint waiting
    cdef bint woken                     # the waker is armed, and was not reported since
    cdef epoll_event events[BATCH]

    cdef int open(self) except -1
    cdef bint renew(self) except -1
    cdef bint is_ours(self) noexcept
    cdef object closed_by_others(self)
    cdef int wait(self, long long timeout_ns, uint64_t *returned) except -2
    cdef int wake(self) except -1
    cdef void close(self) noexcept
