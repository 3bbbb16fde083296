from libc.stdint cimport uint32_t, uint64_t

from cpython.object cimport PyObject

from fournil._native.channel cimport Channel
from fournil._native.handles cimport Handle
from fournil._native.ready cimport ReadyQueue
from fournil._native.sys.collector cimport Visit
from fournil._native.sys.epoll cimport epoll_event


cdef struct Watched:
    PyObject *reader                    # a strong reference to a Handle, or NULL
    PyObject *writer                    # likewise
    PyObject *channel                   # a strong reference to a Channel, or NULL
    # A weak reference to the socket object whose registration outlasts its reader, or NULL.
    PyObject *owner
    uint32_t registered                 # what the kernel was asked to report; 0: nothing
    # How many files of this number the kernel was told of: its reports carry it, and so tell a
    # file from the one that had the number before.
    uint32_t generation


cdef enum:
    BATCH = 512


cdef enum Whose:
    # Whose the number of a descriptor is.
    UNSAID = -1                         # an exception says why
    NOT_KNOWN
    OURS
    SOMEBODY_ELSES


cdef class Poller:
    # Touched only by threads that hold the GIL, but for `events`, which the kernel
    # fills while the loop's thread waits without it.
    cdef ReadyQueue ready               # the loop's
    cdef int epoll_fd
    # An eventfd that can always be read. What is armed to report it, once, is the instance's
    # entry of it: so a wake writes to no descriptor.
    cdef int wake_fd
    cdef unsigned int forks             # as many as there were when the instance was made
    cdef Watched *watched               # by file descriptor
    cdef int capacity
    # The file objects that stand in for their descriptor, by it, while it is watched. A
    # closed one no longer knows its number, and can be removed all the same.
    cdef dict files
    # True from just before the wait until just after it, both with the GIL held: so a
    # thread that pushed a handle under the GIL either was seen, or sees this and wakes.
    cdef bint waiting
    cdef bint woken                     # the waker is armed, and was not reported since
    cdef epoll_event events[BATCH]

    cdef int open(self) except -1
    cdef uint32_t unwanted(self, int fd) noexcept
    cdef bint is_ours(self) noexcept
    cdef int follow_fork(self) except -1
    cdef object closed_by_others(self)
    cdef int wait(self, long long timeout_ns) except -2
    cdef int collect(self, int count, uint64_t now) except -1
    cdef list reported(self, int count)
    cdef int tell(self, int fd, PyObject **place, uint64_t now) except -1
    cdef int tell_channel(self, int fd, uint32_t mask, uint64_t now) except -1
    cdef int wake(self) except -1
    cdef int set_reader(self, file, Handle handle) except -1
    cdef int set_writer(self, file, Handle handle) except -1
    cdef bint drop_reader(self, file) except -1
    cdef bint drop_writer(self, file) except -1
    cdef int attach(self, Channel channel, uint32_t wanted) except -1
    cdef Whose detach(self, Channel channel) except UNSAID
    cdef bint has(self, Channel channel) noexcept
    cdef int want(self, Channel channel, uint32_t wanted) except -1
    cdef int settle(self, Channel channel) except -1
    cdef int abandon(self, int fd) except -1
    cdef Channel channel_of(self, file)
    cdef int begin_reading(self, int fd, sock, Handle handle) except -1
    cdef int end_reading(self, int fd, Handle handle) except -1
    cdef int end_writing(self, int fd, Handle handle) except -1
    cdef int put(self, int fd, file, PyObject **place, Handle handle) except -1
    cdef int take(self, int fd, PyObject **place) except -1
    cdef int fd_of(self, file) except -1
    cdef int reserve(self, int fd) except -1
    cdef int register(self, int fd) except -1
    cdef int renew(self, int fd) except -1
    cdef int lose(self, int fd, int problem) except -1
    cdef int tell_wanted(self, int fd) except -1
    cdef int tell_kernel(self, int operation, int fd, uint32_t wanted) noexcept
    cdef bint rebuild(self) except -1
    cdef void forget(self, int fd) noexcept
    cdef void forget_all(self) noexcept
    cdef int show(self, Visit visit, void *argument) noexcept
    cdef void close(self) noexcept
