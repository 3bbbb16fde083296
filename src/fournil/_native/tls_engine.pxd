from fournil._native.tls_records cimport Records


cdef class Engine:
    # Touched only by the thread that runs the loop.
    cdef readonly object sslobj         # an ssl.SSLObject
    cdef object ssl                     # what its methods call
    cdef bint copies                    # `ssl` gets copies, since it is of a class of the program's
    cdef object incoming                # ssl.MemoryBIO
    cdef object outgoing                # ssl.MemoryBIO
    cdef Records records                # of what was put into `incoming`
    cdef bint more                      # OpenSSL has decrypted more than was read
    cdef bint ended                     # the peer said that it sends no more
    cdef object failure                 # what went wrong after what was returned last

    cdef bint handshake(self) except -1
    cdef bint shutdown(self) except -1
    cdef int feed(self, const char *data, Py_ssize_t size) except -1
    cdef int feed_portion(self, const char **data, Py_ssize_t *size) except -1
    cdef bint has_record(self) except -1
    cdef Py_ssize_t waiting(self) except -1
    cdef object collect(self, const char **data, Py_ssize_t *size)
    cdef Py_ssize_t fill(
        self, char *into, Py_ssize_t room, const char **data, Py_ssize_t *size
    ) except -1
    cdef Py_ssize_t read(self, char *into, Py_ssize_t size) except -2
    cdef int discard(self) except -1
    cdef bint encrypt(self, const char *data, Py_ssize_t size) except -1
