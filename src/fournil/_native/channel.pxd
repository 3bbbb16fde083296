from libc.stdint cimport uint32_t

from fournil._native.handles cimport Handle


cdef class Channel(Handle):
    # Touched only by threads that hold the GIL.
    cdef int fd                         # -1 once it is closed
    cdef uint32_t wanted                # EPOLLIN, EPOLLOUT: what is to be taken up
    cdef uint32_t told                  # what the kernel reported and was not taken up yet
    cdef bint queued                    # in the ready queue
    # What a user holds of it, a transport; None for a listener, and once the connection is lost.
    cdef object transport

    cdef int take_up(self, uint32_t told) except -1
