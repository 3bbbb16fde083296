from libc.stdint cimport uint32_t, uint64_t

from cpython.object cimport PyObject

from fournil._native.channel cimport Channel
from fournil._native.epoll cimport Epoll
from fournil._native.handles cimport Handle
from fournil._native.registrations cimport Registrations
from fournil._native.ready cimport ReadyQueue


cdef enum Whose:
    # Whose the number of a descriptor is.
    UNSAID = -1                         # an exception says why
    NOT_KNOWN
    OURS
    SOMEBODY_ELSES


cdef class Poller(Registrations):
    # Touched only by threads that hold the GIL.
    cdef ReadyQueue ready               # the loop's
    cdef Epoll epoll

    cdef uint32_t unclaimed(self, int fd) noexcept
    cdef int follow_fork(self) except -1
    cdef int wait(self, long long timeout_ns, uint64_t *returned) except -2
    cdef int collect(self, int count, uint64_t now) except -1
    cdef list reported(self, int count)
    cdef int notify(self, int fd, PyObject **place, uint64_t now) except -1
    cdef int notify_channel(self, int fd, uint32_t mask, uint64_t now) except -1
    cdef int wake(self) except -1
    cdef int set_reader(self, file, Handle handle) except -1
    cdef int set_writer(self, file, Handle handle) except -1
    cdef bint drop_reader(self, file) except -1
    cdef bint drop_writer(self, file) except -1
    cdef int attach(self, Channel channel, uint32_t interest) except -1
    cdef Whose detach(self, Channel channel) except UNSAID
    cdef bint has(self, Channel channel) noexcept
    cdef int set_interest(self, Channel channel, uint32_t interest) except -1
    cdef int settle(self, Channel channel) except -1
    cdef int abandon(self, int fd) except -1
    cdef Channel channel_of(self, file)
    cdef int begin_reading(self, int fd, sock, Handle handle) except -1
    cdef int end_reading(self, int fd, Handle handle) except -1
    cdef int end_writing(self, int fd, Handle handle) except -1
    cdef int put(self, int fd, file, PyObject **place, Handle handle) except -1
    cdef int take(self, int fd, PyObject **place) except -1
    cdef int register(self, int fd) except -1
    cdef int renew(self, int fd) except -1
    cdef int lose(self, int fd, int problem) except -1
    cdef int update_kernel(self, int fd) except -1
    cdef int epoll_control(self, int operation, int fd, uint32_t interest) noexcept
    cdef bint rebuild(self) except -1
    cdef void close(self) noexcept
