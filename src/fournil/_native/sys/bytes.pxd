from cpython.object cimport PyObject

cdef extern from "sys/bytes.h":
    bint bytes_alone(PyObject *data) noexcept
    void bytes_set_length(PyObject *data, Py_ssize_t length) noexcept

cdef extern from "Python.h":
    # Takes over the reference in `place`; leaves NULL there when it fails.
    int _PyBytes_Resize(PyObject **place, Py_ssize_t length) except -1
    PyObject *PyBytes_FromStringAndSize(const char *data, Py_ssize_t length) except NULL
    char *PyBytes_AS_STRING(PyObject *data) noexcept
