from libc.stdint cimport uint32_t

from fournil._native.channel cimport Channel
from fournil._native.core cimport LoopCore


cdef class Listener(Channel):
    # Touched only by the loop's thread.
    cdef LoopCore core
    cdef object factory                 # of protocols
    cdef object sock                    # the server's, which closes it
    cdef object server
    # Since CPython 3.15: that of which each connection has a copy; None: of the server's own.
    cdef object connections_context
    cdef object tls                     # the arguments of a TLS server; None: plain
    cdef int family
    cdef int proto
    cdef uint32_t backlog

    cdef bint accept(self) except -1
    cdef int serve(self, int fd, bytes peer) except -1
    cdef object new_context(self)
    cdef object encrypted(self, protocol)
    cdef int serve_tls_and_tell(self, int fd, bytes peer) except -1
    cdef int rest(self, int problem) except -1
