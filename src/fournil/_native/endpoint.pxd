from libc.stdint cimport uint32_t

from fournil._native.channel cimport Channel
from fournil._native.core cimport LoopCore
from fournil._native.poller cimport Poller


cdef class Endpoint(Channel):
    # Touched only by the loop's thread.
    cdef LoopCore core
    cdef Poller poller
    cdef object protocol                # None once the loss was reported
    # What a read is recorded as, a method of the protocol; None before the first recorded one.
    cdef object receives
    # The socket object that owns the descriptor, where there is one.
    cdef object sock
    # Raw addresses; `local` is looked up when it is asked for, and before the end.
    cdef bytes peer
    cdef bytes local
    cdef int family
    cdef int type
    cdef int proto
    cdef Py_ssize_t high                # bytes waiting, from which on the protocol is told to pause
    cdef Py_ssize_t low
    # How often something was written to a connection that is lost, and one; 0: it is not lost.
    cdef uint32_t lost
    cdef bint connected                 # connection_lost is to be called
    cdef bint closing
    cdef bint paused                    # reads nothing until it is resumed
    cdef bint protocol_paused

    cdef int own(
        self, LoopCore loop, int fd, sock, int family, int type, int proto
    ) except -1
    cdef int open(self) except -1
    cdef int use(self, protocol) except -1
    cdef int close(self) except -1
    cdef int force_close(self, error) except -1
    cdef int ended(self) except -1
    cdef int close_descriptor(self) except -1
    cdef int failed(self, str what, error) except -1
    cdef int report(self, str what, error) except -1
    cdef str receiver(self)
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int write(self, data) except -1
    cdef Py_ssize_t waiting(self) noexcept
    cdef int discard(self) except -1
    cdef bint is_lost(self) except -1
    cdef int set_limits(self, high, low) except -1
    cdef int tell_pause(self) except -1
    cdef int tell_resume(self) except -1
    cdef object socket_object(self)
    cdef object local_address(self)
    cdef object peer_address(self)
