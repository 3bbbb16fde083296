from cpython.object cimport PyObject

# Each returns a new reference, or NULL with no exception set; see the header.
cdef extern from "sys/attributes.h":
    PyObject *attribute_by(object descriptor, PyObject *owner) noexcept
    PyObject *attribute_of_c(PyObject *owner, object name) noexcept
    PyObject *attribute_of_dict(PyObject *owner, object name) noexcept
    PyObject *attribute_of_type(PyObject *owner, object name) noexcept
