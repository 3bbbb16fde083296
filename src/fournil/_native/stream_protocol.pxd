from fournil._native.reader cimport ReaderState


# The state of the reader of a protocol, if it can be fed natively; None where a class of somebody
# else's has to be called.
cdef ReaderState reader_fed_by(protocol)
