"""The poller: file descriptors that the loop waits for, and the wait itself, over epoll.

epoll forgets a descriptor when its last copy is closed, and says nothing; the number is
soon given to another file. So what was asked of the kernel may be out of date: a change
that the kernel does not know becomes an addition, and an addition that it knows, a change.
Whatever the kernel refuses concerns one descriptor: those who wait for it find that out, and
the loop goes on.

*Interest* is what somebody wants reported of a descriptor, *registered* what the kernel was last
told of it, *readiness* what it reported and was not taken up yet.

| event | interest | registered |
| --- | --- | --- |
| a reader or writer is set | gains its side | follows at once |
| a reader or writer is removed | loses its side | follows at once |
| a socket operation's reader ends | loses reading | stays, until the kernel reports it |
| a channel pauses (`set_interest`) | loses a side | stays, until that side is reported |
| a channel settles (`settle`) | as it is | follows at once |
| a channel resumes before that | gains the side again | is there: no call of the kernel |
| the kernel refuses (`lose`) | ends | ends; whoever waited finds out by its own call |
| a fork, a report of a closed file (`rebuild`) | as it is | all anew, with a new instance |
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.errno cimport EBADF, EEXIST, ENOENT, errno
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from fournil._native.channel cimport Channel
from fournil._native.epoll cimport Epoll, forks
from fournil._native.handles cimport Handle
from fournil._native.registrations cimport Registrations, Registration, release
from fournil._native.ready cimport ReadyQueue, push
from fournil._native.sys.epoll cimport (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    epoll_ctl,
    epoll_event,
)
from fournil._native.sys.errors cimport os_error
from fournil._native.sys.weak cimport PyWeakref_NewRef, weak_is


# The collector goes by the loop: see the end of core.pyx.
@cython.no_gc_clear
cdef class Poller(Registrations):
    """Waits for file descriptors, for a moment, and for `wake`."""

    def __cinit__(self, ReadyQueue ready not None):
        self.ready = ready
        self.epoll = Epoll()

    cdef int wait(self, long long timeout_ns, uint64_t *returned) except -2:
        """Wait for the kernel, as `Epoll.wait` does; return how many events came."""
        self.follow_fork()
        return self.epoll.wait(timeout_ns, returned)

    def fileno(self):
        """Return the descriptor of the epoll instance."""
        return self.epoll.fd

    cdef int wake(self) except -1:
        """End the wait of the loop's thread, if it waits and was not woken."""
        return self.epoll.wake()

    cdef int follow_fork(self) except -1:
        """In a forked child, make an instance of its own."""
        if self.epoll.forks != forks:
            self.rebuild()
        return 0

    cdef int collect(self, int count, uint64_t now) except -1:
        """Make ready the handles of the `count` events that the last wait brought."""
        cdef int i, fd
        cdef uint32_t mask
        cdef epoll_event *event
        for i in range(count):
            event = &self.epoll.events[i]
            fd = <int> (event.data.u64 & ~<uint32_t> 0)
            mask = event.events
            if fd == self.epoll.wake_fd:
                self.epoll.woken = False
                continue
            if (
                fd >= self.capacity
                or self.entries[fd].registered == 0
                or self.entries[fd].generation != event.data.u64 >> 32
            ):
                # Of a file that was closed here while a copy of its descriptor lives on
                # elsewhere, as in a forked child: it can no longer be named to the kernel.
                # What else was reported is again, by the new instance.
                if self.rebuild():
                    return 0
                continue
            if self.entries[fd].channel != NULL:
                self.notify_channel(fd, mask, now)
            # Errors and hang-ups are told to both sides: each finds out by its own call.
            if mask & ~<uint32_t> EPOLLOUT and self.entries[fd].reader != NULL:
                self.notify(fd, &self.entries[fd].reader, now)
            if mask & ~<uint32_t> EPOLLIN and self.entries[fd].writer != NULL:
                self.notify(fd, &self.entries[fd].writer, now)
            if mask & self.unclaimed(fd):
                self.renew(fd)
        return 0

    cdef list reported(self, int count):
        """Return pairs of a descriptor and an event mask of `selectors`, of what was reported."""
        cdef int i, fd
        cdef epoll_event *event
        cdef list pairs = []
        for i in range(count):
            event = &self.epoll.events[i]
            fd = <int> (event.data.u64 & ~<uint32_t> 0)
            if fd != self.epoll.wake_fd:
                pairs.append((
                    fd,
                    (1 if event.events & ~<uint32_t> EPOLLOUT else 0)
                    | (2 if event.events & ~<uint32_t> EPOLLIN else 0),
                ))
        return pairs

    cdef uint32_t unclaimed(self, int fd) noexcept:
        """Return what the kernel may report of `fd` that nobody takes up."""
        cdef Registration *entry = &self.entries[fd]
        if entry.channel != NULL or entry.reader != NULL:
            return 0
        return EPOLLIN if entry.writer != NULL else entry.registered and ~<uint32_t> 0

    cdef bint rebuild(self) except -1:
        """Register everything anew, with a new epoll instance; return whether there is one."""
        cdef int fd
        if not self.epoll.renew():
            return False
        for fd in range(self.capacity):
            if self.entries[fd].registered:
                self.entries[fd].registered = 0
                self.renew(fd)
        return True

    cdef int notify(self, int fd, PyObject **place, uint64_t now) except -1:
        cdef Handle handle = <Handle> place[0]
        # The kernel would go on to report what a cancelled handle does not take up.
        if handle._cancelled:
            place[0] = NULL
            try:
                return self.renew(fd)
            finally:
                Py_DECREF(handle)
        handle.ready_at = now
        return push(self.ready, handle)

    cdef int notify_channel(self, int fd, uint32_t mask, uint64_t now) except -1:
        cdef Channel channel = <Channel> self.entries[fd].channel
        if mask & ~channel.interest & (EPOLLIN | EPOLLOUT) or channel.interest == 0:
            self.renew(fd)
        if channel.interest == 0:
            return 0
        # Errors and hang-ups come unasked: they show at the next read or write.
        channel.readiness |= mask & (channel.interest | EPOLLERR | EPOLLHUP)
        if channel.queued:
            return 0
        channel.queued = True
        channel.ready_at = now
        return push(self.ready, channel)

    cdef int set_reader(self, file, Handle handle) except -1:
        """Run `handle` whenever `file` can be read; cancels the one that stood there."""
        cdef int fd = self.fd_of(file)
        self.reserve(fd)
        return self.put(fd, file, &self.entries[fd].reader, handle)

    cdef int set_writer(self, file, Handle handle) except -1:
        """Run `handle` whenever `file` can be written; cancels the one that stood there."""
        cdef int fd = self.fd_of(file)
        self.reserve(fd)
        return self.put(fd, file, &self.entries[fd].writer, handle)

    cdef bint drop_reader(self, file) except -1:
        """Forget the reader of `file`; return whether there was one."""
        cdef int fd = self.fd_of(file)
        if fd >= self.capacity or self.entries[fd].reader == NULL:
            return False
        self.take(fd, &self.entries[fd].reader)
        return True

    cdef bint drop_writer(self, file) except -1:
        """Forget the writer of `file`; return whether there was one."""
        cdef int fd = self.fd_of(file)
        if fd >= self.capacity or self.entries[fd].writer == NULL:
            return False
        self.take(fd, &self.entries[fd].writer)
        return True

    cdef int attach(self, Channel channel, uint32_t interest) except -1:
        """Take up a channel by its descriptor, and have `interest` reported."""
        cdef int fd = channel.fd
        self.reserve(fd)
        # What is there is of a file of this number that was closed since.
        if self.entries[fd].channel != NULL:
            self.lose(fd, EBADF)
        self.forget(fd)
        self.entries[fd].channel = <PyObject *> channel
        Py_INCREF(channel)
        channel.interest = interest
        if interest:
            self.register(fd)
        return 0

    cdef Whose detach(self, Channel channel) except UNSAID:
        """Let go of a channel; return whose the number of its descriptor is by now."""
        cdef int fd = channel.fd
        cdef Whose whose = NOT_KNOWN
        if self.has(channel):
            if channel.held[0] != fd:
                whose = SOMEBODY_ELSES
            elif self.entries[fd].registered and self.epoll.forks == forks:
                # epoll knows a file by more than its number.
                whose = OURS
                if self.epoll_control(EPOLL_CTL_DEL, fd, 0) < 0:
                    whose = SOMEBODY_ELSES if errno == ENOENT or errno == EBADF else NOT_KNOWN
            self.forget(fd)
        channel.interest = channel.readiness = 0
        return whose

    cdef bint has(self, Channel channel) noexcept:
        """Return whether a channel is waited for: not let go of, nor lost."""
        cdef int fd = channel.fd
        return 0 <= fd < self.capacity and self.entries[fd].channel == <PyObject *> channel

    cdef int set_interest(self, Channel channel, uint32_t interest) except -1:
        """Have `interest` reported from now on; what is not in it any more is not."""
        channel.interest = interest
        # What is of no interest any more stays registered until the kernel next reports it, since
        # most pauses end before: of two calls that change a registration, both are saved.
        if self.has(channel) and interest & ~self.entries[channel.fd].registered:
            return self.renew(channel.fd)
        return 0

    cdef int settle(self, Channel channel) except -1:
        """Have the kernel report what is of interest and no more, at once."""
        if self.has(channel) and channel.interest != self.entries[channel.fd].registered:
            return self.renew(channel.fd)
        return 0

    cdef int begin_reading(self, int fd, sock, Handle handle) except -1:
        """Run `handle` when the socket object `sock`, of this descriptor, can be read."""
        # A server asks this once a message. So what was registered for the same socket still
        # is, and saves both calls that would end and renew it. The same descriptor may belong
        # to another socket by now, of which the kernel knows nothing yet.
        cdef PyObject *old
        cdef PyObject *owner
        cdef Registration *entry
        self.reserve(fd)
        entry = &self.entries[fd]
        if entry.registered & EPOLLIN and entry.reader == NULL:
            if entry.owner != NULL and weak_is(entry.owner, <PyObject *> sock):
                Py_INCREF(handle)
                entry.reader = <PyObject *> handle
                return 0
        # To make it may run the collector, and finalizers, which may change the table.
        owner = PyWeakref_NewRef(sock, NULL)
        old = self.entries[fd].owner
        self.entries[fd].owner = owner
        Py_XDECREF(old)
        return self.put(fd, fd, &self.entries[fd].reader, handle)

    cdef int end_reading(self, int fd, Handle handle) except -1:
        """Forget a handle of `begin_reading`, and leave its socket registered."""
        if fd < self.capacity and self.entries[fd].reader == <PyObject *> handle:
            self.entries[fd].reader = NULL
            Py_DECREF(handle)
        return 0

    cdef int end_writing(self, int fd, Handle handle) except -1:
        """Forget a handle of `set_writer`, if it still stands there."""
        if fd < self.capacity and self.entries[fd].writer == <PyObject *> handle:
            self.take(fd, &self.entries[fd].writer)
        return 0

    cdef int abandon(self, int fd) except -1:
        """Have the writer of a descriptor, which is about to be closed, find that out."""
        cdef PyObject *writer
        if fd < self.capacity and self.entries[fd].writer != NULL:
            writer = self.entries[fd].writer
            self.entries[fd].writer = NULL
            try:
                push(self.ready, <Handle> writer)
                self.renew(fd)
            finally:
                Py_DECREF(<Handle> writer)
        return 0

    cdef Channel channel_of(self, file):
        """Return the channel of a file or descriptor, or None."""
        cdef int fd = self.fd_of(file)
        if fd >= self.capacity or self.entries[fd].channel == NULL:
            return None
        if (<Channel> self.entries[fd].channel).held[0] != fd:
            self.lose(fd, EBADF)
            return None
        return <Channel> self.entries[fd].channel

    cdef int put(self, int fd, file, PyObject **place, Handle handle) except -1:
        cdef PyObject *old = place[0]
        Py_INCREF(handle)
        place[0] = <PyObject *> handle
        if not isinstance(file, int):
            self.files[fd] = file
        try:
            self.register(fd)
        finally:
            cancel_and_release(old)
        return 0

    cdef int take(self, int fd, PyObject **place) except -1:
        cdef PyObject *old = place[0]
        place[0] = NULL
        try:
            self.register(fd)
        finally:
            cancel_and_release(old)
        return 0

    cdef int register(self, int fd) except -1:
        """Have the kernel follow the interest in `fd`; when it refuses, forget `fd` and raise."""
        cdef int problem = self.update_kernel(fd)
        if problem:
            self.files.pop(fd, None)
            self.forget(fd)
            raise os_error(problem)
        return 0

    cdef int renew(self, int fd) except -1:
        """Have the kernel follow the interest in `fd`; when it refuses, `fd` is lost."""
        cdef int problem = self.update_kernel(fd)
        return self.lose(fd, problem) if problem else 0

    cdef int lose(self, int fd, int problem) except -1:
        """Forget a descriptor, and have those who wait for it find out why."""
        cdef Registration entry = self.entries[fd]
        # What follows may run anything.
        memset(&self.entries[fd], 0, sizeof(Registration))
        self.entries[fd].generation = entry.generation
        self.files.pop(fd, None)
        try:
            if entry.reader != NULL:
                push(self.ready, <Handle> entry.reader)
            if entry.writer != NULL:
                push(self.ready, <Handle> entry.writer)
            if entry.channel != NULL:
                (<Channel> entry.channel).broken(os_error(problem))
        finally:
            release(&entry)
        return 0

    cdef int update_kernel(self, int fd) except -1:
        """Have the kernel follow the interest in `fd`; return why it refused, or 0."""
        cdef Registration *entry
        cdef uint32_t interest = 0
        cdef int status, problem
        # What that finds lost is told to the program, whose code may close the loop, or have it
        # watch more: the table is then elsewhere.
        self.follow_fork()
        if self.epoll.fd < 0:
            raise RuntimeError("Event loop is closed")
        entry = &self.entries[fd]
        if entry.reader != NULL:
            interest |= EPOLLIN
        if entry.writer != NULL:
            interest |= EPOLLOUT
        if entry.channel != NULL:
            # Whoever owns it may have closed it: the number is then another file's.
            if (<Channel> entry.channel).held[0] != fd:
                return EBADF
            interest |= (<Channel> entry.channel).interest
        if interest == 0:
            # The descriptor may be closed already: there is nothing left to take back then.
            self.epoll_control(EPOLL_CTL_DEL, fd, 0)
        else:
            status = self.epoll_control(
                EPOLL_CTL_MOD if entry.registered else EPOLL_CTL_ADD, fd, interest
            )
            if status < 0 and entry.registered and errno == ENOENT:
                status = self.epoll_control(EPOLL_CTL_ADD, fd, interest)
            elif status < 0 and not entry.registered and errno == EEXIST:
                status = self.epoll_control(EPOLL_CTL_MOD, fd, interest)
            if status < 0:
                problem = errno
                if not self.epoll.is_ours():
                    raise self.epoll.closed_by_others()
                return problem
        entry.registered = interest
        if interest == 0 and self.files:
            self.files.pop(fd, None)
        return 0

    cdef int epoll_control(self, int operation, int fd, uint32_t interest) noexcept:
        cdef epoll_event event
        if operation == EPOLL_CTL_ADD:
            self.entries[fd].generation += 1
        event.events = interest
        event.data.u64 = <uint64_t> self.entries[fd].generation << 32 | <uint32_t> fd
        return epoll_ctl(self.epoll.fd, operation, fd, &event)

    cdef void close(self) noexcept:
        self.forget_all()
        self.epoll.close()


cdef int cancel_and_release(PyObject *handle) except -1:
    """Cancel a handle, or NULL; takes over the reference."""
    if handle == NULL:
        return 0
    try:
        (<Handle> handle).cancel()
    finally:
        Py_XDECREF(handle)
    return 0
