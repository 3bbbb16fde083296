"""What the program's code is called, found without running any of it.

The recorder names each callback, coroutine and task that runs. An attribute of theirs may be
Python code, which may raise, hang, or change what it is asked about, and which asyncio does not
run for a step. So only fields are read that CPython keeps, or the C code of an object's type:
what they do not tell is called `?`.
"""

import functools
import types

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from cpython.type cimport PyType_Check
from cpython.unicode cimport PyUnicode_Check

from fournil._native.sys.attributes cimport attribute_of_c, attribute_of_dict, attribute_of_type

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        pass
    PyTypeObject *Py_TYPE(PyObject *)
    int PyCFunction_Check(PyObject *)
    int PyCode_Check(PyObject *)
    int PyFunction_Check(PyObject *)
    int PyMethod_Check(PyObject *)
    int PyModule_Check(PyObject *)
    PyObject *PyFunction_GET_CODE(PyObject *)
    PyObject *PyMethod_GET_FUNCTION(PyObject *)
    object PyType_GetQualName(PyTypeObject *)
    object PyUnicode_FromObject(object)
    ctypedef struct PyMethodDef:
        const char *ml_name
    ctypedef struct PyCFunctionObject:
        PyMethodDef *m_ml
        PyObject *m_self
        PyObject *m_module

cdef enum:
    # Partials of partials and methods of methods may go in a circle.
    MOST_WRAPPERS = 8

cdef object partial = functools.partial
cdef object cache_wrapper = type(functools.lru_cache(print))
cdef object CoroutineType = types.CoroutineType
cdef object GeneratorType = types.GeneratorType
cdef object MethodDescriptor = types.MethodDescriptorType
cdef object module_of_type = type.__dict__["__module__"].__get__


cdef object taken(PyObject *new):
    """Return a new reference as an object; None stands for NULL."""
    if new == NULL:
        return None
    found = <object> new
    Py_DECREF(found)
    return found


cdef object field(object owner, str name):
    """Return an attribute that the C code of an object's type keeps, or None."""
    return taken(attribute_of_c(<PyObject *> owner, name))


cdef object own_value(object owner, str name):
    """Return an attribute that lies in an object's own dictionary, or None."""
    return taken(attribute_of_dict(<PyObject *> owner, name))


cdef object method_of(object owner, str name):
    """Return the function behind a method as an object's class has it; without one, the object."""
    found = taken(attribute_of_type(<PyObject *> owner, name))
    # A descriptor of another kind may answer with anything.
    return owner if code_of_callable(found) is type(found) else found


cdef object callable_inside(object function):
    """Return what a callable calls in the end: inside partials, methods and caches of results."""
    cdef int _depth
    for _depth in range(MOST_WRAPPERS):
        if PyMethod_Check(<PyObject *> function):
            function = <object> PyMethod_GET_FUNCTION(<PyObject *> function)
        elif type(function) is partial:
            function = function.func
        elif type(function) is cache_wrapper:
            inner = own_value(function, "__wrapped__")
            if inner is None:
                break
            function = inner
        else:
            break
    return function


cdef object code_of_callable(object function):
    """Return the code object of a callable; without one, a builtin itself or the type."""
    function = callable_inside(function)
    if PyFunction_Check(<PyObject *> function):
        return <object> PyFunction_GET_CODE(<PyObject *> function)
    if (
        PyCFunction_Check(<PyObject *> function)
        or PyType_Check(function)
        or type(function) is MethodDescriptor
    ):
        return function
    code = field(function, "__code__")  # of Cython's functions
    return code if code is not None and PyCode_Check(<PyObject *> code) else type(function)


cdef object code_of_coroutine(object coroutine):
    """Return the code object of what a task runs; without one, its type."""
    if type(coroutine) is CoroutineType:
        return coroutine.cr_code
    if type(coroutine) is GeneratorType:
        return coroutine.gi_code
    for name in ("cr_code", "gi_code"):  # Cython's have them
        code = field(coroutine, name)
        if code is not None and PyCode_Check(<PyObject *> code):
            return code
    return type(coroutine)


cdef str name_of(object code):
    """Return what a code object, a builtin or a type is called."""
    cdef PyCFunctionObject *builtin
    if PyCode_Check(<PyObject *> code):
        return plain(code.co_qualname)
    if PyType_Check(code):
        return name_in_module(module_of(code), qualified_name(code))
    if type(code) is MethodDescriptor:
        owner = code.__objclass__
        return name_in_module(module_of(owner), f"{qualified_name(owner)}.{plain(code.__name__)}")
    if not PyCFunction_Check(<PyObject *> code):
        return "?"
    builtin = <PyCFunctionObject *> <PyObject *> code
    name = builtin.m_ml.ml_name.decode("utf-8", "replace")
    module = None if builtin.m_module == NULL else <object> builtin.m_module
    if builtin.m_self != NULL and not PyModule_Check(builtin.m_self):
        owner = <object> builtin.m_self
        if not PyType_Check(owner):
            owner = type(owner)
        name = f"{qualified_name(owner)}.{name}"
        module = module_of(owner)
    return name_in_module(module, name)


cdef str name_in_module(object module, str name):
    return f"{plain(module)}.{name}" if module is not None and PyUnicode_Check(module) else name


cdef object module_of(object type_):
    try:
        return module_of_type(type_)
    except Exception:  # there is none
        return None


cdef str qualified_name(object type_):
    return plain(PyType_GetQualName(<PyTypeObject *> <PyObject *> type_))


cdef str plain(object text):
    """Return a text as a string of no subclass, whose methods may be the program's."""
    return PyUnicode_FromObject(text) if PyUnicode_Check(text) else "?"
