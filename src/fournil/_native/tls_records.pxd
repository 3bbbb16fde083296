cdef class Records:
    # Touched only by threads that hold the GIL.
    cdef readonly Py_ssize_t tail       # bytes of the record that has not come to its end
    cdef readonly Py_ssize_t complete   # records that came to their end since `taken`
    cdef readonly bint lost             # what came is not made of TLS records
    cdef Py_ssize_t body_left
    cdef Py_ssize_t head_size
    cdef unsigned char head[5]

    cdef void add(self, const unsigned char *data, Py_ssize_t size) noexcept
    cdef void begin_body(self) noexcept
    cdef void taken(self) noexcept
