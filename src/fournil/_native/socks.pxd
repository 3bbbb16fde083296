from fournil._native.core cimport LoopCore
from fournil._native.handles cimport Handle


cdef class Operation(Handle):
    # Touched only by the loop's thread.
    cdef LoopCore core
    cdef object sock                    # kept open while the operation waits
    cdef int fd
    cdef bint reads
    cdef readonly object future

    cdef object attempt(self)
    cdef object start(self)
    cdef int end(self) except -1
