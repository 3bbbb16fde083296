from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from fournil._native.handles cimport TimerHandle
from fournil._native.sys.collector cimport Visit


cdef struct Entry:
    double when
    uint64_t sequence
    PyObject *handle                    # a strong reference to a TimerHandle


cdef class Timers:
    # Touched only by threads that hold the GIL.
    cdef Entry *entries
    cdef Py_ssize_t capacity
    cdef Py_ssize_t count
    cdef uint64_t sequence

    cdef int add(self, TimerHandle handle) except -1
    cdef void remove(self, TimerHandle handle) noexcept
    cdef TimerHandle pop(self)
    cdef list listed(self)
    cdef void clear(self) noexcept
    cdef int show(self, Visit visit, void *argument) noexcept
    cdef void rise(self, Py_ssize_t place, Entry entry) noexcept
    cdef void sink(self, Py_ssize_t place, Entry entry) noexcept


cdef inline double earliest(Timers timers) noexcept:
    """Return when the first timer is due; `count` must not be 0."""
    return timers.entries[0].when
