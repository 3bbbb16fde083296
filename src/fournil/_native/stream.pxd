from libc.stdint cimport uint32_t

from fournil._native.channel cimport Channel
from fournil._native.core cimport LoopCore
from fournil._native.inbox cimport Inbox
from fournil._native.outbox cimport Outbox
from fournil._native.poller cimport Poller


cdef class Stream(Channel):
    # Touched only by the loop's thread.
    cdef LoopCore core                  # None once the connection was reported lost
    cdef Poller poller
    cdef Inbox inbox
    cdef Outbox outbox                  # None until the kernel first refuses something
    cdef object protocol                # None once lost
    cdef object reader                  # of the protocol, as `reader.feed` wants it; or None
    cdef object server                  # that accepted it, or None
    # The socket object that owns the descriptor, where there is one.
    cdef object sock
    # Raw addresses; `local` is looked up when it is asked for, and before the end.
    cdef bytes peer
    cdef bytes local
    cdef int family
    cdef int proto
    # A future of sendfile's: done when nothing waits to be sent.
    cdef object empty_waiter
    cdef Py_ssize_t high                # bytes waiting, from which on the protocol is told to pause
    cdef Py_ssize_t low
    # How often something was written to a connection that is lost, and one; 0: it is not lost.
    cdef uint32_t lost
    cdef bint connected                 # connection_lost is to be called
    cdef bint buffered                  # the protocol is a BufferedProtocol
    cdef bint paused
    cdef bint closing
    cdef bint eof_sent                  # or to be sent after what waits
    cdef bint eof_received
    cdef bint protocol_paused

    cdef int open(self) except -1
    cdef int give_up(self) except -1
    cdef int use(self, protocol) except -1
    cdef int close(self) except -1
    cdef int force_close(self, error) except -1
    cdef int close_descriptor(self) except -1
    cdef int failed(self, str what, error) except -1
    cdef int read(self) except -1
    cdef int read_into_buffer(self) except -1
    cdef int end_of_file(self) except -1
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int check_writing(self, str method) except -1
    cdef bint is_lost(self) except -1
    cdef int write(self, data) except -1
    cdef int write_lines(self, lines) except -1
    cdef int write_eof(self) except -1
    cdef int keep(self, data, Py_ssize_t sent) except -1
    cdef int flush(self) except -1
    cdef int emptied(self) except -1
    cdef Py_ssize_t waiting(self) noexcept
    cdef int set_limits(self, high, low) except -1
    cdef int tell_pause(self) except -1
    cdef int tell_resume(self) except -1
    cdef int report(self, str what, error) except -1
    cdef object socket_object(self)
    cdef object local_address(self)
    cdef object peer_address(self)


cdef object os_error(int problem)
cdef int check_data(data) except -1
