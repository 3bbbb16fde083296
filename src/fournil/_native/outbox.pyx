"""What a stream's user wrote and the kernel did not take yet."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from fournil._native.sys.sockets cimport iovec

cdef enum:
    # Chunks that were sent are taken out of the list when there are so many.
    SENT_CHUNKS = 64


cdef class Outbox:
    """Bytes that wait to be sent, in the objects in which they were written."""

    def __cinit__(self):
        self.chunks = []

    cdef int add(self, object data, Py_ssize_t sent) except -1:
        """Keep all of `data` but its first `sent` bytes."""
        cdef Py_buffer view
        if type(data) is not bytes:
            # Its owner may change it, or its length, as soon as the write returns.
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            try:
                data = PyBytes_FromStringAndSize(<char *> view.buf + sent, view.len - sent)
            finally:
                PyBuffer_Release(&view)
            sent = 0
        if PyBytes_GET_SIZE(data) == sent:
            return 0
        if self.first == len(self.chunks):
            self.chunks.clear()
            self.first = 0
            self.sent = sent
        elif sent:
            data = data[sent:]
            sent = 0
        self.chunks.append(data)
        self.size += PyBytes_GET_SIZE(data) - sent
        return 0

    cdef size_t show(self, iovec *parts, size_t most) noexcept:
        """Fill `parts` with what is to be sent next; return how many are filled."""
        cdef size_t count = 0
        cdef Py_ssize_t place = self.first
        cdef Py_ssize_t sent = self.sent
        while count < most and place < len(self.chunks):
            chunk = self.chunks[place]
            parts[count].iov_base = PyBytes_AS_STRING(chunk) + sent
            parts[count].iov_len = PyBytes_GET_SIZE(chunk) - sent
            sent = 0
            count += 1
            place += 1
        return count

    cdef int advance(self, Py_ssize_t sent) except -1:
        """Forget the next `sent` bytes, which were sent."""
        cdef Py_ssize_t left
        self.size -= sent
        while sent:
            left = PyBytes_GET_SIZE(self.chunks[self.first]) - self.sent
            if sent < left:
                self.sent += sent
                break
            sent -= left
            self.chunks[self.first] = None
            self.first += 1
            self.sent = 0
        if self.size == 0:
            self.chunks.clear()
            self.first = 0
        elif self.first >= SENT_CHUNKS and self.first * 2 >= len(self.chunks):
            del self.chunks[: self.first]
            self.first = 0
        return 0

    cdef int clear(self) except -1:
        self.chunks.clear()
        self.first = self.sent = self.size = 0
        return 0
