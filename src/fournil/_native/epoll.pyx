"""An epoll instance, and the waker of the thread that waits on it.

Both descriptors are known by what they are: programs close all that they did not open, and open
others of these numbers. The instance is ours if it has the waker, and the waker ours if the
instance has it under its number; nothing is ever written to it. An instance is of the process
that made it: a forked child, which would change what its parent waits for, makes one of its own.
"""

import os

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EBADF, EEXIST, EINTR, EINVAL, errno
from libc.stdint cimport uint32_t, uint64_t
from posix.unistd cimport close as close_fd

from fournil._native.sys.descriptors cimport descriptor_limit, fstat, out_of_the_way, stat_t
from fournil._native.sys.epoll cimport (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLIN,
    EPOLLONESHOT,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_wait_ns,
    eventfd,
)
from fournil._native.sys.errors cimport os_error
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

ticks_choose()

forks = 0


def _count_fork():
    global forks
    forks += 1


os.register_at_fork(after_in_child=_count_fork)


def moved_out_of_the_way(int fd):
    """Move a descriptor to a number that the program has no use for; return the number."""
    return out_of_the_way(fd)


cdef class Epoll:
    """An epoll instance, and its waker."""

    def __cinit__(self):
        self.fd = -1
        self.wake_fd = out_of_the_way(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK))
        if self.wake_fd < 0:
            PyErr_SetFromErrno(OSError)
        try:
            self.open()
        except OSError:
            close_fd(self.wake_fd)
            raise

    cdef int open(self) except -1:
        """Make the epoll instance."""
        cdef epoll_event event
        cdef int problem
        cdef int epoll_fd = out_of_the_way(epoll_create1(EPOLL_CLOEXEC))
        if epoll_fd < 0:
            PyErr_SetFromErrno(OSError)
        event.events = EPOLLONESHOT
        event.data.u64 = <uint32_t> self.wake_fd
        if epoll_ctl(epoll_fd, EPOLL_CTL_ADD, self.wake_fd, &event) < 0:
            problem = errno
            close_fd(epoll_fd)
            raise os_error(problem)
        self.fd = epoll_fd
        self.forks = forks
        self.woken = False
        return 0

    def __dealloc__(self):
        self.close()

    cdef bint renew(self) except -1:
        """Replace the instance by one that knows no descriptor; return whether there is one."""
        cdef int old = self.fd
        if old < 0 or not self.is_ours():
            raise self.closed_by_others()
        try:
            self.open()
        except OSError:
            # No descriptor is left but that of the old instance. Of a number over the limit,
            # which may have been set since, there would be none: what is lost is then reported
            # again and again until there is room.
            if old >= descriptor_limit():
                return False
            self.fd = -1
            close_fd(old)
            self.open()
        else:
            close_fd(old)
        return True

    cdef void close(self) noexcept:
        """Close both descriptors, if they are still ours."""
        if self.fd >= 0 and self.is_ours():
            close_fd(self.wake_fd)
            close_fd(self.fd)
        self.fd = -1

    cdef bint is_ours(self) noexcept:
        """Return whether both descriptors are still those that were opened here."""
        cdef epoll_event event
        event.events = 0
        event.data.u64 = 0
        if epoll_ctl(self.fd, EPOLL_CTL_ADD, self.wake_fd, &event) == 0:
            epoll_ctl(self.fd, EPOLL_CTL_DEL, self.wake_fd, &event)  # somebody else's
            return False
        return errno == EEXIST

    cdef int wait(self, long long timeout_ns, uint64_t *returned) except -2:
        """Wait for the kernel; return how many events came.

        Args:
            timeout_ns: for how long at most; negative: without end.
            returned: NULL, or where to write the tick when the kernel answered, before the thread
                has the GIL again, if it was given away.
        """
        cdef int count, problem
        if timeout_ns == 0:
            # A look takes less than a microsecond: giving the GIL away for it would cost
            # more, and a thread that computes would keep it for a whole switch interval.
            count = epoll_wait_ns(self.fd, self.events, BATCH, 0)
            problem = errno
        else:
            self.waiting = True
            with nogil:
                count = epoll_wait_ns(self.fd, self.events, BATCH, timeout_ns)
                problem = errno
                if returned != NULL:
                    returned[0] = ticks_now()
            self.waiting = False
        if count < 0:
            if problem == EBADF or problem == EINVAL:
                raise self.closed_by_others()
            if problem != EINTR:
                raise os_error(problem)
            count = 0
        PyErr_CheckSignals()
        return count

    cdef int wake(self) except -1:
        """End the wait of the loop's thread, if it waits and was not woken."""
        cdef epoll_event event
        if not self.waiting or self.woken or self.fd < 0:
            return 0
        event.events = EPOLLIN | EPOLLONESHOT
        event.data.u64 = <uint32_t> self.wake_fd
        if epoll_ctl(self.fd, EPOLL_CTL_MOD, self.wake_fd, &event) < 0:
            raise self.closed_by_others()
        self.woken = True
        return 0

    cdef object closed_by_others(self):
        cdef stat_t found
        cdef int fd
        both = self.fd, self.wake_fd
        # Where both are open, somebody else's took the place of one.
        lost = [fd for fd in both if fstat(fd, &found) < 0] or both
        return OSError(
            EBADF,
            f"of the loop's own file descriptors {both}, {' and '.join(map(str, lost))} were closed"
            " by the program, and it cannot go on: close descriptors before the loop is made, or"
            " leave out these",
        )
