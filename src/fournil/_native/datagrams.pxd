from fournil._native.endpoint cimport Endpoint
from fournil._native.inbox cimport Inbox
from fournil._native.sys.sockets cimport sockaddr_storage, socklen_t


cdef class Datagrams(Endpoint):
    # Touched only by the loop's thread.
    cdef Inbox inbox
    cdef object address                 # all that is sent goes there; None: to anyone
    # Who sent what came last, raw and as the protocol was told it; None before the first.
    cdef object sender
    cdef sockaddr_storage raw_sender
    cdef socklen_t raw_length
    # Pairs of bytes and address that wait to be sent, and how long they are together.
    cdef object backlog
    cdef Py_ssize_t size

    cdef int read(self) except -1
    cdef int refused(self, str what, error) except -1
    cdef object sender_object(self, const sockaddr_storage *raw, socklen_t length)
    cdef int dispatch(self, data, address) except -1
    cdef bint attempt(self, data, address) except -1
    cdef int flush(self) except -1
    cdef int forget_first(self) except -1
