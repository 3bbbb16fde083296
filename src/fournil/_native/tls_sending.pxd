from libc.stdint cimport uint64_t

from fournil._native.core cimport LoopCore
from fournil._native.outbox cimport Outbox
from fournil._native.tls_engine cimport Engine

cdef enum State:
    # What a connection does; tls.pyx has the table of its ways from one to the next.
    NEW                 # it waits for its transport
    HANDSHAKE
    OPEN
    CLOSING             # what was written is still being sent
    SHUTDOWN            # the peer was told, and has not answered
    DONE                # the transport was told to close
    CLOSED              # the transport is lost, or was ended at once


cdef class Sending:
    # Touched only by the thread that runs the loop.
    cdef readonly object _loop
    cdef readonly object _app_protocol      # None once the connection is lost
    cdef readonly object _transport         # what the ciphertext goes through; None likewise
    cdef public object _app_transport       # None once the connection is lost
    cdef Engine engine                      # its output is empty between two steps
    cdef State state
    cdef int lost_writes
    cdef Outbox backlog                     # what waits to be encrypted
    cdef bint writing_paused                # the application was told to
    cdef bint transport_full                # the transport told so
    cdef bint flush_due                     # the next turn goes on to send
    cdef uint64_t patience                  # ticks: how long others may wait meanwhile
    cdef Py_ssize_t write_high
    cdef Py_ssize_t write_low

    cdef int begin_sending(self, LoopCore loop) except -1
    # The application's side, called by its transport.
    cdef int write(self, data) except -1
    cdef int write_lines(self, lines) except -1
    cdef int set_write_limits(self, high, low) except -1
    cdef Py_ssize_t write_size(self) except -1

    cdef int send(self) except -1
    cdef int flush(self) except -1
    cdef int flush_later(self) except -1
    cdef bint encrypt_next(self) except -1
    cdef int control_writing(self) except -1

    cdef int all_sent(self) except -1
    cdef int fatal(self, error, message) except -1


cdef tuple limits(high, low, Py_ssize_t default)
