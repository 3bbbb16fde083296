from fournil._native.sys.sockets cimport iovec


cdef class Outbox:
    # Touched only by threads that hold the GIL.
    cdef list chunks                    # bytes, the oldest first
    cdef Py_ssize_t first               # the chunk that is sent next
    cdef Py_ssize_t sent                # how much of it was sent
    cdef readonly Py_ssize_t size       # bytes that wait

    cdef int add(self, object data, Py_ssize_t sent) except -1
    cdef size_t show(self, iovec *parts, size_t most) noexcept
    cdef int advance(self, Py_ssize_t sent) except -1
    cdef int clear(self) except -1
