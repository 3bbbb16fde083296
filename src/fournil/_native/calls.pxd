"""Calls of methods by name, with no bound method made for the call."""

from cpython.object cimport PyObject

from fournil._native.sys.python cimport PyObject_VectorcallMethod


cdef inline object call(object owner, object name):
    cdef PyObject *args[1]
    args[0] = <PyObject *> owner
    return PyObject_VectorcallMethod(name, args, 1, NULL)


cdef inline object call_with(object owner, object name, object value):
    cdef PyObject *args[2]
    args[0] = <PyObject *> owner
    args[1] = <PyObject *> value
    return PyObject_VectorcallMethod(name, args, 2, NULL)


cdef inline object call_with_two(object owner, object name, object one, object other):
    cdef PyObject *args[3]
    args[0] = <PyObject *> owner
    args[1] = <PyObject *> one
    args[2] = <PyObject *> other
    return PyObject_VectorcallMethod(name, args, 3, NULL)
