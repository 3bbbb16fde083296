from libc.stdint cimport uint32_t

from cpython.object cimport PyObject

from fournil._native.sys.collector cimport Visit


cdef struct Registration:
    PyObject *reader                    # a strong reference to a Handle, or NULL
    PyObject *writer                    # likewise
    PyObject *channel                   # a strong reference to a Channel, or NULL
    # A weak reference to the socket object whose registration outlasts its reader, or NULL.
    PyObject *owner
    uint32_t registered                 # what the kernel was asked to report; 0: nothing
    # How many files of this number the kernel was told of: its reports carry it, and so tell a
    # file from the one that had the number before.
    uint32_t generation


cdef class Registrations:
    # Touched only by threads that hold the GIL.
    cdef Registration *entries               # by file descriptor
    cdef int capacity
    # The file objects that stand in for their descriptor, by it, while it is watched. A
    # closed one no longer knows its number, and can be removed all the same.
    cdef dict files

    cdef int fd_of(self, file) except -1
    cdef int reserve(self, int fd) except -1
    cdef void forget(self, int fd) noexcept
    cdef void forget_all(self) noexcept
    cdef int show(self, Visit visit, void *argument) noexcept


cdef void release(Registration *entry) noexcept
