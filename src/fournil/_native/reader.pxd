# What `feed` needs to feed the reader of a protocol natively; None where somebody's own methods
# may have to be called.
cdef object reader_fed_by(protocol)

cdef int feed(protocol, reference, bytes data) except -1
