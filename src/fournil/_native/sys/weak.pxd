from cpython.object cimport PyObject

cdef extern from "sys/weak.h":
    bint weak_is(PyObject *weak, PyObject *object) noexcept

cdef extern from "Python.h":
    PyObject *PyWeakref_NewRef(object referent, PyObject *callback) except NULL
