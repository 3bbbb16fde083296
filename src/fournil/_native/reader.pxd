cdef class ReaderState:
    # What asyncio's reader keeps in attributes of these names, and more. Touched only by the
    # loop's thread.
    cdef bytearray buffer
    # What came while the buffer was empty, and is not in it yet; or None. Most reads take just
    # what came, and get this very object.
    cdef bytes whole
    cdef public object _loop
    cdef public object _transport
    cdef public object _waiter          # a future of whoever waits for more, or None
    cdef public object _exception
    cdef public Py_ssize_t _limit
    cdef public bint _eof
    cdef public bint _paused
    cdef object reader                  # a weak reference to the reader
    cdef bint replaced                  # a method of the reader or its protocol was


cdef ReaderState state_of(reader, protocol)

# Deliver data to a protocol that has such a reader.
cdef int feed(protocol, ReaderState state, bytes data) except -1

cdef object exception_of(ReaderState state, reader)
