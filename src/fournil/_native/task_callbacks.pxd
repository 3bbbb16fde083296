from cpython.object cimport PyObject


# The task (borrowed from `callback`) whose step a callback is, or NULL.
cdef PyObject *task_of(PyObject *callback) noexcept
cdef bint is_task(PyObject *object_) noexcept
cdef bint is_done(PyObject *task) noexcept
cdef bint is_cancelled(PyObject *task) noexcept
cdef bint has_raised(object task) noexcept
cdef str name_of_task(object task)
cdef object coroutine_of(object task)
