from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from fournil._native.sys.sockets cimport sockaddr, socklen_t


cdef class Inbox:
    # Touched only by threads that hold the GIL.
    cdef PyObject *spare                # bytes that nobody else holds; NULL while it is delivered
    cdef Py_ssize_t capacity            # of `spare`, whatever its length says
    # What was last delivered uncopied, which `capacity` is of until then; only ever compared, so
    # that it may be gone.
    cdef PyObject *delivered
    cdef Py_ssize_t next_capacity       # of the one after it
    cdef uint32_t returned              # how many deliveries in a row nobody kept

    cdef bytes receive(self, int fd, Py_ssize_t most, bint kept)
    cdef void expect(self, Py_ssize_t size) noexcept
    cdef bytes receive_from(
        self, int fd, Py_ssize_t most, bint kept, sockaddr *sender, socklen_t *length
    )
    cdef void take_back(self, bytes data) noexcept
