"""Who waits for which file descriptor: a table by its number; the poller tells the kernel."""

cimport cython
from cpython.exc cimport PyErr_SetFromErrno
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_XDECREF
from libc.string cimport memset
from posix.fcntl cimport F_GETFD, fcntl

from fournil._native.sys.collector cimport Visit


# The collector goes by the loop: see the end of core.pyx.
@cython.no_gc_clear
cdef class Registrations:
    """The readers, writers and channels of descriptors."""

    def __cinit__(self, *args):
        self.files = {}

    def __dealloc__(self):
        self.forget_all()
        PyMem_Free(self.entries)

    cdef int fd_of(self, file) except -1:
        """Return the descriptor of a file object, also of one closed meanwhile, or of an int."""
        # The errors are those of `selectors`, which asyncio's users know.
        cdef int fd
        if isinstance(file, int):
            fd = file
        else:
            try:
                fd = int(file.fileno())
            except (AttributeError, TypeError, ValueError):
                raise ValueError(f"Invalid file object: {file!r}") from None
        if fd < 0:
            for known_fd, known in self.files.items():
                if known is file:
                    return known_fd
            raise ValueError(f"Invalid file descriptor: {fd}")
        return fd

    cdef int reserve(self, int fd) except -1:
        cdef int capacity = self.capacity or 64
        cdef Registration *entries
        if fd < 0:
            raise ValueError(f"Invalid file descriptor: {fd}")
        if fd < self.capacity:
            return 0
        # Any number may be given, and none that is a descriptor is too great for a table.
        if fcntl(fd, F_GETFD) < 0:
            PyErr_SetFromErrno(OSError)
        while capacity <= fd:
            capacity *= 2
        entries = <Registration *> PyMem_Realloc(self.entries, capacity * sizeof(Registration))
        if entries == NULL:
            raise MemoryError
        memset(&entries[self.capacity], 0, (capacity - self.capacity) * sizeof(Registration))
        self.entries = entries
        self.capacity = capacity
        return 0

    cdef void forget(self, int fd) noexcept:
        cdef Registration entry = self.entries[fd]
        memset(&self.entries[fd], 0, sizeof(Registration))
        self.entries[fd].generation = entry.generation
        release(&entry)

    cdef void forget_all(self) noexcept:
        """Let go of all handles, without telling the kernel."""
        cdef int fd
        for fd in range(self.capacity):
            self.forget(fd)
        if self.files is not None:  # made, though perhaps with nothing to wait for
            self.files.clear()

    cdef int show(self, Visit visit, void *argument) noexcept:
        """Show the cyclic collector all handles and channels."""
        cdef int fd
        cdef int status = 0
        for fd in range(self.capacity):
            if status == 0 and self.entries[fd].reader != NULL:
                status = visit(self.entries[fd].reader, argument)
            if status == 0 and self.entries[fd].writer != NULL:
                status = visit(self.entries[fd].writer, argument)
            if status == 0 and self.entries[fd].channel != NULL:
                status = visit(self.entries[fd].channel, argument)
        return status

    def registration(self, file):
        """Return of a file: the object by which it is known, its descriptor, its handles."""
        cdef int fd = self.fd_of(file)
        if fd >= self.capacity:
            return file, fd, None, None
        return (
            self.files.get(fd, fd),
            fd,
            <object> self.entries[fd].reader if self.entries[fd].reader != NULL else None,
            <object> self.entries[fd].writer if self.entries[fd].writer != NULL else None,
        )

    def watched_fds(self):
        """Return the descriptors that have a reader or a writer."""
        return [
            fd for fd in range(self.capacity)
            if self.entries[fd].reader != NULL or self.entries[fd].writer != NULL
        ]


cdef void release(Registration *entry) noexcept:
    Py_XDECREF(entry.reader)
    Py_XDECREF(entry.writer)
    Py_XDECREF(entry.channel)
    Py_XDECREF(entry.owner)
