from fournil._native.reader cimport ReaderState
from fournil._native.tls_scratch cimport Scratch
from fournil._native.tls_sending cimport Sending

cdef enum Told:
    # What the application's protocol was told last.
    NOTHING
    MADE
    EOF
    LOST


cdef class Receiving(Sending):
    # Touched only by the thread that runs the loop.
    cdef ReaderState reader                 # of the protocol, if it is fed natively; or None
    cdef Scratch scratch                    # None until the transport first asks for a buffer
    cdef Told told
    cdef bint buffered                      # the protocol is an asyncio.BufferedProtocol
    cdef bint eof                           # the transport got its end of file
    cdef bint reading_paused                # by the application
    cdef bint transport_paused              # by this: the application does not read
    cdef Py_ssize_t read_high
    cdef Py_ssize_t read_low

    # The application's side, called by its transport.
    cdef int pause_reading(self) except -1
    cdef int resume_reading(self) except -1
    cdef int set_read_limits(self, high, low) except -1
    cdef int set_protocol(self, protocol) except -1

    cdef int deliver(self, const char *data, Py_ssize_t size) except -1
    cdef int deliver_all(self, const char *data, Py_ssize_t size) except -1
    cdef int deliver_buffer(self, const char **data, Py_ssize_t *size) except -1
    cdef int control_reading(self) except -1
    cdef int tell_eof(self) except -1

    cdef int arrived(self, const char *data, Py_ssize_t size) except -1
    cdef int discard_or_shutdown(self) except -1
    cdef int peer_closed(self) except -1
