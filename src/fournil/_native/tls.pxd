from fournil._native.tls_receiving cimport Receiving
from fournil._native.tls_sending cimport State


cdef class TLSCore(Receiving):
    # Touched only by the thread that runs the loop.
    cdef readonly object _sslcontext
    cdef object waiter                      # of the handshake
    cdef object handshake_timeout
    cdef object shutdown_timeout
    cdef object handshake_timer
    cdef object shutdown_timer
    cdef double handshake_began             # in debug mode
    cdef dict extra
    cdef bint closed                        # the application closed or aborted its transport

    # The application's side, called by its transport.
    cdef int close(self) except -1
    cdef int force_close(self, error) except -1
    cdef object get_extra(self, name, default)

    cdef int become(self, State state) except -1
    cdef int handshake(self) except -1
    cdef int handshake_done(self) except -1
    cdef int handshake_failed(self, error) except -1
    cdef int begin_close(self) except -1
    cdef int shutdown(self) except -1
    cdef int shutdown_done(self) except -1
    cdef int wake_waiter(self, error) except -1
    cdef int cancel_timers(self) except -1
