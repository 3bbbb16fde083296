from cpython.object cimport PyObject

# `callable` and the arguments are borrowed; the result is new, NULL with an exception set.
cdef extern from "Python.h":
    ctypedef struct PyTupleObject:
        PyObject *ob_item[1]
    PyObject *PyObject_Vectorcall(
        PyObject *callable, PyObject **args, size_t count, PyObject *names
    )
    object PyObject_VectorcallMethod(
        object name, PyObject **args, size_t count, PyObject *names
    )
    int PyObject_GenericSetAttr(object owner, object name, PyObject *value) except -1
    int PyContext_Enter(object context)
    int PyContext_Exit(object context)
    object PyContext_CopyCurrent()

    ctypedef struct PyMethodDef:
        pass

cdef extern from "sys/methods.h":
    int add_method(
        object type, PyMethodDef *definition, const char *name, void *function, const char *doc
    ) except -1

cdef extern from "sys/exceptions.h":
    object take_raised_exception()
    void raise_again(object error)
