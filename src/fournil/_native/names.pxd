from cpython.object cimport PyObject

cdef object taken(PyObject *new)
cdef object field(object owner, str name)
cdef object own_value(object owner, str name)
cdef object method_of(object owner, str name)
cdef object callable_inside(object function)
cdef object code_of_callable(object function)
cdef object code_of_coroutine(object coroutine)
cdef str name_of(object code)
cdef str plain(object text)
