"""The poller: file descriptors that the loop waits for, and the wait itself, over epoll.

epoll forgets a descriptor when its last copy is closed, and says nothing; the number is
soon given to another file. So what was asked of the kernel may be out of date: a change
that the kernel does not know becomes an addition, and an addition that it knows, a change.
"""

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.errno cimport EBADF, EEXIST, EINTR, ENOENT, errno
from libc.string cimport memset
from posix.unistd cimport close as close_fd

from fournil._native.handles cimport Handle
from fournil._native.ready cimport ReadyQueue, push
from fournil._native.sys.epoll cimport (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLIN,
    EPOLLOUT,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_wait_ns,
    eventfd,
    eventfd_read,
    eventfd_write,
)


cdef class Poller:
    """Waits for file descriptors, for a moment, and for `wake`."""

    def __cinit__(self):
        cdef epoll_event event
        self.epoll_fd = self.wake_fd = -1
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.epoll_fd < 0:
            PyErr_SetFromErrno(OSError)
        self.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.wake_fd < 0:
            PyErr_SetFromErrno(OSError)
        event.events = EPOLLIN
        event.data.fd = self.wake_fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.wake_fd, &event) < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        self.close()
        PyMem_Free(self.watched)

    cdef int wait(self, long long timeout_ns) except -2:
        """Wait at most `timeout_ns` (negative: without end); return how many events came."""
        cdef int count, problem
        if timeout_ns == 0:
            # A look takes less than a microsecond: giving the GIL away for it would cost
            # more, and a thread that computes would keep it for a whole switch interval.
            count = epoll_wait_ns(self.epoll_fd, self.events, BATCH, 0)
            problem = errno
        else:
            self.waiting = True
            with nogil:
                count = epoll_wait_ns(self.epoll_fd, self.events, BATCH, timeout_ns)
                problem = errno
            self.waiting = False
        if count < 0:
            if problem != EINTR:
                raise OSError(problem, "the loop cannot wait for its file descriptors")
            count = 0
        PyErr_CheckSignals()
        return count

    cdef int collect(self, int count, ReadyQueue ready, uint64_t now) except -1:
        """Make ready the handles of the `count` events that the last wait brought."""
        cdef int i, fd
        cdef uint32_t mask
        cdef uint64_t value
        cdef Watched *entry
        cdef Handle handle
        for i in range(count):
            fd = self.events[i].data.fd
            mask = self.events[i].events
            if fd == self.wake_fd:
                eventfd_read(fd, &value)
                self.woken = False
                continue
            entry = &self.watched[fd]
            # Errors and hang-ups are told to both sides: each finds out by its own call.
            if mask & ~<uint32_t> EPOLLOUT and entry.reader != NULL:
                handle = <Handle> entry.reader
                handle.ready_at = now
                push(ready, handle)
            if mask & ~<uint32_t> EPOLLIN and entry.writer != NULL:
                handle = <Handle> entry.writer
                handle.ready_at = now
                push(ready, handle)
        return 0

    cdef int wake(self) except -1:
        """End the wait of the loop's thread, if it waits and was not woken."""
        if self.waiting and not self.woken and self.wake_fd >= 0:
            self.woken = True
            eventfd_write(self.wake_fd, 1)
        return 0

    cdef int set_reader(self, int fd, Handle handle) except -1:
        """Run `handle` whenever `fd` can be read; cancels the one that stood there."""
        cdef PyObject *old
        self.reserve(fd)
        old = self.watched[fd].reader
        self.watched[fd].reader = <PyObject *> handle
        try:
            self.register(fd)
        except BaseException:
            self.watched[fd].reader = old
            raise
        Py_INCREF(handle)
        if old != NULL:
            (<Handle> old).cancel()
            Py_XDECREF(old)
        else:
            self.handles += 1
        return 0

    cdef int set_writer(self, int fd, Handle handle) except -1:
        """Run `handle` whenever `fd` can be written; cancels the one that stood there."""
        cdef PyObject *old
        self.reserve(fd)
        old = self.watched[fd].writer
        self.watched[fd].writer = <PyObject *> handle
        try:
            self.register(fd)
        except BaseException:
            self.watched[fd].writer = old
            raise
        Py_INCREF(handle)
        if old != NULL:
            (<Handle> old).cancel()
            Py_XDECREF(old)
        else:
            self.handles += 1
        return 0

    cdef bint drop_reader(self, int fd) except -1:
        """Forget the reader of `fd`; return whether there was one."""
        cdef PyObject *old
        if fd < 0 or fd >= self.capacity or self.watched[fd].reader == NULL:
            return False
        old = self.watched[fd].reader
        self.watched[fd].reader = NULL
        self.handles -= 1
        self.register(fd)
        (<Handle> old).cancel()
        Py_XDECREF(old)
        return True

    cdef bint drop_writer(self, int fd) except -1:
        """Forget the writer of `fd`; return whether there was one."""
        cdef PyObject *old
        if fd < 0 or fd >= self.capacity or self.watched[fd].writer == NULL:
            return False
        old = self.watched[fd].writer
        self.watched[fd].writer = NULL
        self.handles -= 1
        self.register(fd)
        (<Handle> old).cancel()
        Py_XDECREF(old)
        return True

    cdef int reserve(self, int fd) except -1:
        cdef int capacity = self.capacity or 64
        cdef Watched *watched
        if fd < 0:
            raise ValueError(f"a file descriptor is zero or more, got {fd}")
        if fd < self.capacity:
            return 0
        while capacity <= fd:
            capacity *= 2
        watched = <Watched *> PyMem_Realloc(self.watched, capacity * sizeof(Watched))
        if watched == NULL:
            raise MemoryError
        memset(&watched[self.capacity], 0, (capacity - self.capacity) * sizeof(Watched))
        self.watched = watched
        self.capacity = capacity
        return 0

    cdef int register(self, int fd) except -1:
        """Tell the kernel what is wanted of `fd` now."""
        cdef Watched *entry = &self.watched[fd]
        cdef uint32_t wanted = 0
        cdef epoll_event event
        cdef int status
        if self.epoll_fd < 0:
            raise RuntimeError("Event loop is closed")
        if entry.reader != NULL:
            wanted |= EPOLLIN
        if entry.writer != NULL:
            wanted |= EPOLLOUT
        event.events = wanted
        event.data.u64 = 0
        event.data.fd = fd
        if wanted == 0:
            # The descriptor may be closed already: there is nothing left to take back then.
            if epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, fd, &event) < 0:
                if errno != ENOENT and errno != EBADF:
                    PyErr_SetFromErrno(OSError)
        else:
            status = epoll_ctl(
                self.epoll_fd, EPOLL_CTL_MOD if entry.registered else EPOLL_CTL_ADD, fd, &event
            )
            if status < 0 and entry.registered and errno == ENOENT:
                status = epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &event)
            elif status < 0 and not entry.registered and errno == EEXIST:
                status = epoll_ctl(self.epoll_fd, EPOLL_CTL_MOD, fd, &event)
            if status < 0:
                PyErr_SetFromErrno(OSError)
        entry.registered = wanted
        return 0

    def handles_of(self, int fd):
        """Return the reader's and the writer's handle of `fd`, each or None."""
        if fd < 0 or fd >= self.capacity:
            return None, None
        return (
            <object> self.watched[fd].reader if self.watched[fd].reader != NULL else None,
            <object> self.watched[fd].writer if self.watched[fd].writer != NULL else None,
        )

    def watched_fds(self):
        """Return the descriptors that have a reader or a writer."""
        return [
            fd for fd in range(self.capacity)
            if self.watched[fd].reader != NULL or self.watched[fd].writer != NULL
        ]

    def fileno(self):
        """Return the descriptor of the epoll instance."""
        return self.epoll_fd

    cdef void close(self) noexcept:
        cdef int fd
        cdef PyObject *old
        for fd in range(self.capacity):
            old = self.watched[fd].reader
            self.watched[fd].reader = NULL
            Py_XDECREF(old)
            old = self.watched[fd].writer
            self.watched[fd].writer = NULL
            Py_XDECREF(old)
        self.handles = 0
        if self.wake_fd >= 0:
            close_fd(self.wake_fd)
            self.wake_fd = -1
        if self.epoll_fd >= 0:
            close_fd(self.epoll_fd)
            self.epoll_fd = -1
