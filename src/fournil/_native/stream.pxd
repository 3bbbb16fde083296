from libc.stdint cimport uint32_t

from fournil._native.endpoint cimport Endpoint
from fournil._native.inbox cimport Inbox
from fournil._native.outbox cimport Outbox
from fournil._native.reader cimport ReaderState


cdef class Stream(Endpoint):
    # Touched only by the loop's thread.
    cdef Inbox inbox
    cdef Outbox outbox                  # None until the kernel first refuses something
    cdef ReaderState reader             # of the protocol, if it is fed natively; or None
    cdef object server                  # that accepted it, or None
    # A future of sendfile's: done when nothing waits to be sent.
    cdef object empty_waiter
    cdef bint buffered                  # the protocol is a BufferedProtocol
    cdef bint eof_sent                  # or to be sent after what waits
    cdef bint eof_received

    cdef int give_up(self) except -1
    cdef int leave_server(self) except -1
    cdef int read(self) except -1
    cdef int read_into_buffer(self) except -1
    cdef int end_of_file(self) except -1
    cdef int check_writing(self, str method) except -1
    cdef int write_lines(self, lines) except -1
    cdef int write_eof(self) except -1
    cdef int keep(self, data, Py_ssize_t sent) except -1
    cdef int flush(self) except -1
    cdef int emptied(self) except -1


cdef int check_data(data) except -1
