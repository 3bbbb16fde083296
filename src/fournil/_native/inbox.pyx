"""Where a loop receives: into the very object that a protocol is handed.

How much will come is not known before. An object that is large enough for all cases, cut to
what came, costs a mapping and an unmapping of memory and its page faults for each read.
So a small message is copied out of a large object that stays. A large one is delivered in the
object that it was received into, and when the protocol has not kept that, as most do not, the
object is used again.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize as copy_of
from cpython.exc cimport PyErr_SetFromErrno
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.errno cimport EAGAIN, EINTR, errno

from fournil._native.sys.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    _PyBytes_Resize,
    bytes_alone,
    bytes_set_length,
)
from fournil._native.sys.sockets cimport MSG_DONTWAIT, recvfrom, sockaddr, socklen_t

cdef enum:
    FIRST_CAPACITY = 64 << 10
    LARGEST_CAPACITY = 256 << 10
    # After so many deliveries in a row that nobody kept, an object is delivered uncut. When it
    # is kept after all, so is its unused end: at most three times its length, once in so many.
    TRUSTING = 8


cdef class Inbox:
    """The receiving side of all sockets of a loop."""

    def __cinit__(self):
        self.next_capacity = FIRST_CAPACITY

    def __dealloc__(self):
        Py_XDECREF(self.spare)

    cdef bytes receive(self, int fd, Py_ssize_t most, bint kept):
        """Return what a socket has; empty at its end, None while it has nothing.

        It is at most 64 KiB, or more when there was more, or `most`. What is not `kept` is for
        `take_back`, once it was delivered.
        """
        return self.receive_from(fd, most, kept, NULL, NULL)

    cdef void expect(self, Py_ssize_t size) noexcept:
        """Receive so much at once from now on; the rest of a longer datagram would be lost."""
        self.next_capacity = max(self.next_capacity, size)

    cdef bytes receive_from(
        self, int fd, Py_ssize_t most, bint kept, sockaddr *sender, socklen_t *length
    ):
        """Like `receive`; write who sent it, unless `sender` is NULL."""
        cdef PyObject *data
        cdef ssize_t came
        if self.spare == NULL or self.capacity < self.next_capacity:
            Py_XDECREF(self.spare)
            self.spare = NULL
            self.spare = PyBytes_FromStringAndSize(NULL, self.next_capacity)
            self.capacity = self.next_capacity
        # With the GIL: a read that does not block takes less time than to get the GIL back from
        # a thread that computes, which is a whole switch interval.
        came = recvfrom(
            fd,
            PyBytes_AS_STRING(self.spare),
            min(most, self.capacity),
            MSG_DONTWAIT,
            sender,
            length,
        )
        if came < 0:
            if errno == EAGAIN or errno == EINTR:
                return None
            PyErr_SetFromErrno(OSError)
        if came < self.capacity // 4:
            return copy_of(PyBytes_AS_STRING(self.spare), came)
        if came == self.capacity and self.next_capacity < LARGEST_CAPACITY:
            self.next_capacity *= 2
        data = self.spare
        self.spare = NULL
        self.delivered = NULL
        if self.returned >= TRUSTING and not kept:
            bytes_set_length(data, came)
        elif came < self.capacity:
            _PyBytes_Resize(&data, came)
            self.capacity = came
        self.delivered = data
        result = <bytes> data
        Py_DECREF(result)
        return result

    cdef void take_back(self, bytes data) noexcept:
        """Take back what was delivered, to use it again if the caller alone holds it."""
        # A small message was copied. And who received this one may have received from another
        # socket meanwhile: only of the last one it is known how long it was made.
        if self.spare != NULL or <PyObject *> data != self.delivered:
            return
        if not bytes_alone(<PyObject *> data):
            self.returned = 0
            return
        self.returned += 1
        bytes_set_length(<PyObject *> data, self.capacity)
        Py_INCREF(data)
        self.spare = <PyObject *> data
