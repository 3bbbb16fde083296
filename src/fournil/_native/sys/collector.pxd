from cpython.object cimport PyObject

# A type's slots for the cyclic collector; `cpython.object` has them with exceptions, which a
# collection cannot carry.
cdef extern from "Python.h":
    ctypedef int (*Visit "visitproc")(PyObject *, void *) noexcept
    ctypedef int (*Traverse "traverseproc")(PyObject *, Visit, void *) noexcept
    ctypedef int (*Clear "inquiry")(PyObject *) noexcept
    ctypedef struct PyTypeObject:
        Traverse tp_traverse
        Clear tp_clear
