"""Which task a callback belongs to, and how a task stands: asked by the recorder at each step.

A task hands the loop two kinds of callback, both made by _asyncio: an instance of a private
type for its first step and after a bare `yield`, whose first field is the task, and its bound
method `task_wakeup` for when a future is done. One of each is caught here, and the private
type's field is compared with its `__self__`: where that does not hold any more, `__self__` is
asked each time.
"""

import asyncio
import asyncio.tasks

try:
    import _asyncio
except ImportError:  # a build without it
    _asyncio = None

from cpython.exc cimport PyErr_Clear

from fournil._native.names cimport own_value, plain, taken
from fournil._native.sys.attributes cimport attribute_by

cdef extern from "Python.h":
    int PyCFunction_CheckExact(PyObject *)
    int PyMethod_Check(PyObject *)
    PyObject *PyMethod_GET_SELF(PyObject *)
    PyObject *PyCFunction_GET_SELF(PyObject *)
    void *PyCFunction_GET_FUNCTION(PyObject *)
    ctypedef struct PyTypeObject:
        pass
    PyTypeObject *Py_TYPE(PyObject *)
    int PyObject_TypeCheck(PyObject *, PyTypeObject *)
    ctypedef struct PyMethodDef:
        PyObject *(*ml_meth)(PyObject *, PyObject *) noexcept
        int ml_flags
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method
    enum:
        METH_NOARGS
    PyObject *Py_True
    void Py_XDECREF(PyObject *)


cdef struct StepWrapper:
    Py_ssize_t refcount
    PyObject *type
    PyObject *task

# Not as `asyncio` has them by now: programs put others there, as nest_asyncio does.
cdef object NativeTask = getattr(_asyncio, "Task", None)
cdef object PythonTask = getattr(asyncio.tasks, "_PyTask", None)
# NULL: there is none. Whatever is checked against it then, is none of it.
cdef PyTypeObject *native_type = NULL if NativeTask is None else <PyTypeObject *> (
    <PyObject *> NativeTask
)
cdef PyTypeObject *python_type = NULL if PythonTask is None else <PyTypeObject *> (
    <PyObject *> PythonTask
)
cdef PyTypeObject *step_type = NULL
cdef bint step_task_is_first_field = False
cdef void *wakeup_function = NULL


class _Catcher:
    """As much of a loop as a task needs to hand over its callbacks."""

    def __init__(self):
        self.caught = []

    def call_soon(self, callback, *args, context=None):
        self.caught.append(callback)

    def get_debug(self):
        return False

    def call_exception_handler(self, context):
        pass


def _catch_callbacks():
    global step_type, step_task_is_first_field, wakeup_function
    loop = _Catcher()
    future = _asyncio.Future(loop=loop)

    # Of Cython's coroutines, CPython 3.11 asks a function of the interpreter that imported asyncio
    # first, which may have ended.
    made = {}
    exec("async def wait(future): await future", made)
    coroutine = made["wait"](future)
    # With a name of its own it takes none of the numbers that the program's tasks get.
    task = NativeTask(coroutine, loop=loop, name="fournil")
    step = loop.caught[0]
    step_type = Py_TYPE(<PyObject *> step)
    step_task_is_first_field = (
        type(step).__basicsize__ >= sizeof(StepWrapper)
        and (<StepWrapper *> (<PyObject *> step)).task == <PyObject *> task
        and step.__self__ is task
    )
    # From CPython 3.14 on, a task runs in its own loop only.
    running = _asyncio._get_running_loop()
    _asyncio._set_running_loop(loop)
    try:
        step()
    finally:
        _asyncio._set_running_loop(running)
    future.set_result(None)
    wakeup = loop.caught[1]
    if PyCFunction_CheckExact(<PyObject *> wakeup):
        wakeup_function = PyCFunction_GET_FUNCTION(<PyObject *> wakeup)
    _asyncio._set_running_loop(loop)
    try:
        wakeup(future)
    finally:
        _asyncio._set_running_loop(running)


if NativeTask is not None:
    _catch_callbacks()


cdef inline bint is_native(PyObject *task) noexcept:
    return PyObject_TypeCheck(task, native_type)


cdef inline bint is_python(PyObject *task) noexcept:
    return PyObject_TypeCheck(task, python_type)


cdef PyObject *task_of(PyObject *callback) noexcept:
    """Return the task (borrowed from `callback`) whose step a callback is, or NULL."""
    cdef PyObject *owner
    cdef object owner_object
    if Py_TYPE(callback) == step_type:
        if step_task_is_first_field:
            return (<StepWrapper *> callback).task
        owner_object = (<object> callback).__self__
        return <PyObject *> owner_object
    if PyCFunction_CheckExact(callback):
        if PyCFunction_GET_FUNCTION(callback) == wakeup_function:
            return PyCFunction_GET_SELF(callback)
        return NULL
    if PyMethod_Check(callback):
        owner = PyMethod_GET_SELF(callback)
        if is_python(owner):
            return owner
    return NULL


# How a task stands is asked of asyncio's own code alone, past all that a subclass overrides: of a
# native one, by the C functions of its methods, without the machinery of a call; of one in Python,
# by the values that it keeps. A subclass may also have left both unmade.
ctypedef PyObject *(*Method)(PyObject *, PyObject *) noexcept


cdef Method method_of_task(name) except *:
    """Return the C function of a method of tasks that takes no arguments, or NULL."""
    cdef PyMethodDescrObject *descriptor
    method = getattr(NativeTask, name, None)
    if type(method) is type(list.clear):
        descriptor = <PyMethodDescrObject *> <PyObject *> method
        if descriptor.d_method.ml_flags == METH_NOARGS:
            return descriptor.d_method.ml_meth
    return NULL


cdef Method done_function = method_of_task("done")
cdef Method cancelled_function = method_of_task("cancelled")
cdef Method name_function = method_of_task("get_name")
cdef Method coroutine_function = method_of_task("get_coro")

# From CPython 3.15 on, it is a field of futures, of which tasks are a kind.
cdef object native_exception = getattr(NativeTask, "_exception", None)


cdef object answer_of(Method method, PyObject *task):
    cdef PyObject *answer = NULL if method == NULL else method(task, NULL)
    if answer == NULL:
        PyErr_Clear()
    return taken(answer)


cdef bint is_task(PyObject *object_) noexcept:
    """Return whether an object is one of asyncio's tasks."""
    return is_native(object_) or is_python(object_)


cdef bint is_done(PyObject *task) noexcept:
    cdef PyObject *answer
    if not is_native(task):
        state = own_value(<object> task, "_state")
        return type(state) is str and (state == "FINISHED" or state == "CANCELLED")
    if done_function == NULL:
        return False
    answer = done_function(task, NULL)
    if answer == NULL:
        PyErr_Clear()
    Py_XDECREF(answer)
    return answer == Py_True


cdef bint is_cancelled(PyObject *task) noexcept:
    if not is_native(task):
        state = own_value(<object> task, "_state")
        return type(state) is str and state == "CANCELLED"
    return answer_of(cancelled_function, task) is True


cdef bint has_raised(object task) noexcept:
    """Return whether a task that is done ended by an exception."""
    if not is_native(<PyObject *> task):
        return own_value(task, "_exception") is not None
    return taken(attribute_by(native_exception, <PyObject *> task)) is not None


cdef str name_of_task(object task):
    """Return a task's name, or None."""
    if is_native(<PyObject *> task):
        name = answer_of(name_function, <PyObject *> task)
    else:
        name = own_value(task, "_name")
    return plain(name) if isinstance(name, str) else None


cdef object coroutine_of(object task):
    """Return what a task runs, or None."""
    if is_native(<PyObject *> task):
        return answer_of(coroutine_function, <PyObject *> task)
    return own_value(task, "_coro")
