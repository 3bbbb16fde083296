from libc.stdint cimport uint64_t

from fournil._native.outbox cimport Outbox
from fournil._native.reader cimport ReaderState
from fournil._native.tls_engine cimport Engine
from fournil._native.tls_scratch cimport Scratch


cdef class TLSCore:
    # Touched only by the thread that runs the loop.
    cdef readonly object _loop
    cdef readonly object _app_protocol      # None once the connection is lost
    cdef readonly object _transport         # what the ciphertext goes through; None likewise
    cdef public object _app_transport       # None once the connection is lost
    cdef readonly object _sslcontext
    cdef Engine engine                      # its output is empty between two steps
    cdef ReaderState reader                 # of the protocol, if it is fed natively; or None
    cdef object waiter                      # of the handshake
    cdef object handshake_timeout
    cdef object shutdown_timeout
    cdef object handshake_timer
    cdef object shutdown_timer
    cdef double handshake_began             # in debug mode
    cdef dict extra
    cdef Scratch scratch
    cdef int state
    cdef int told                           # what the application's protocol was told last
    cdef int lost_writes
    cdef bint buffered                      # the protocol is an asyncio.BufferedProtocol
    cdef bint closed                        # the application closed or aborted its transport
    cdef bint eof                           # the transport got its end of file

    cdef bint reading_paused                # by the application
    cdef bint transport_paused              # by this: the application does not read
    cdef Py_ssize_t read_high
    cdef Py_ssize_t read_low

    cdef Outbox backlog                     # what waits to be encrypted
    cdef bint writing_paused                # the application was told to
    cdef bint transport_full                # the transport told so
    cdef bint flush_due                     # the next turn goes on to send
    cdef uint64_t patience                  # ticks: how long others may wait meanwhile
    cdef Py_ssize_t write_high
    cdef Py_ssize_t write_low

    # The application's side, called by its transport.
    cdef int write(self, data) except -1
    cdef int write_lines(self, lines) except -1
    cdef int close(self) except -1
    cdef int force_close(self, error) except -1
    cdef int pause_reading(self) except -1
    cdef int resume_reading(self) except -1
    cdef int set_write_limits(self, high, low) except -1
    cdef int set_read_limits(self, high, low) except -1
    cdef int set_protocol(self, protocol) except -1
    cdef object get_extra(self, name, default)
    cdef Py_ssize_t write_size(self) except -1

    cdef int handshake(self) except -1
    cdef int handshake_done(self) except -1
    cdef int handshake_failed(self, error) except -1
    cdef int deliver(self, const char *data, Py_ssize_t size) except -1
    cdef int deliver_all(self, const char *data, Py_ssize_t size) except -1
    cdef int deliver_buffer(self, const char **data, Py_ssize_t *size) except -1
    cdef int discard_or_shutdown(self) except -1
    cdef int peer_closed(self) except -1
    cdef int tell_eof(self) except -1
    cdef int send(self) except -1
    cdef int flush(self) except -1
    cdef int flush_later(self) except -1
    cdef bint encrypt_next(self) except -1
    cdef int control_writing(self) except -1
    cdef int control_reading(self) except -1
    cdef int begin_close(self) except -1
    cdef int shutdown(self) except -1
    cdef int shutdown_done(self) except -1
    cdef int fatal(self, error, message) except -1
    cdef int wake_waiter(self, error) except -1
    cdef int cancel_timers(self) except -1
