from cpython.object cimport PyObject


# The task (borrowed from `callback`) whose step a callback is, or NULL.
cdef PyObject *task_of(PyObject *callback) noexcept
cdef bint is_done(PyObject *task) except -1
cdef bint is_cancelled(PyObject *task) except -1
