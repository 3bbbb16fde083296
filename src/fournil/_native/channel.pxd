from libc.stdint cimport uint32_t

from fournil._native.handles cimport Handle


cdef class Channel(Handle):
    # Touched only by threads that hold the GIL.
    cdef int fd                         # by which the poller knows it; -1 once it is closed
    # Where the descriptor is kept by who owns it: `fd`, or a field of a socket object, which
    # lives as long as this. A program that closes the object finds -1 there, and so do we.
    cdef const int *held
    cdef uint32_t interest              # EPOLLIN, EPOLLOUT: what is to be taken up
    cdef uint32_t readiness             # what the kernel reported and was not taken up yet
    cdef bint queued                    # in the ready queue
    # What a user holds of it, a transport; None for a listener, and once the connection is lost.
    cdef object transport

    cdef int hold(self, sock) except -1
    cdef int take_up(self, uint32_t readiness) except -1
    cdef int broken(self, error) except -1
