from fournil._native.owned cimport Identity
from fournil._native.sys.semaphore cimport sem_t


cdef class Semaphore:
    cdef sem_t semaphore


cdef class Pipe:
    cdef int[2] ends  # read from by who listens, written to by who wakes; -1: closed
    cdef Identity identity

    cdef bint send(self) noexcept nogil
    cpdef close(self)
