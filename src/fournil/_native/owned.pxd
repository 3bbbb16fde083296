from libc.stdint cimport uint64_t

cdef struct Identity:
    uint64_t device
    uint64_t inode

cdef int identify(int descriptor, Identity *identity) noexcept nogil
cdef bint names(int descriptor, const Identity *identity) noexcept nogil


cdef class Owned:
    cdef int descriptor
    cdef Identity identity
