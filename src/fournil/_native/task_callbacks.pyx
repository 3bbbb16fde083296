"""Which task a callback belongs to, and how a task stands: asked by the recorder at each step.

A task hands the loop two kinds of callback, both made by _asyncio: an instance of a private
type for its first step and after a bare `yield`, whose first field is the task, and its bound
method `task_wakeup` for when a future is done. One of each is caught here, and the private
type's field is compared with its `__self__`: where that does not hold any more, `__self__` is
asked each time.
"""

import asyncio

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

cdef PyTypeObject *TaskType = <PyTypeObject *> <PyObject *> asyncio.Task
cdef PyTypeObject *step_type = NULL
cdef bint step_task_is_first_field = False
cdef void *wakeup_function = NULL
cdef object PythonTask = getattr(asyncio.tasks, "_PyTask", None)


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
    future = asyncio.Future(loop=loop)

    async def wait():
        await future

    coroutine = wait()
    # With a name of its own it takes none of the numbers that the program's tasks get.
    task = asyncio.Task(coroutine, loop=loop, name="fournil")
    step = loop.caught[0]
    step_type = Py_TYPE(<PyObject *> step)
    step_task_is_first_field = (
        type(step).__basicsize__ >= sizeof(StepWrapper)
        and (<StepWrapper *> (<PyObject *> step)).task == <PyObject *> task
        and step.__self__ is task
    )
    # From CPython 3.14 on, a task runs in its own loop only.
    running = asyncio._get_running_loop()
    asyncio.events._set_running_loop(loop)
    try:
        step()
    finally:
        asyncio.events._set_running_loop(running)
    future.set_result(None)
    wakeup = loop.caught[1]
    if PyCFunction_CheckExact(<PyObject *> wakeup):
        wakeup_function = PyCFunction_GET_FUNCTION(<PyObject *> wakeup)
    asyncio.events._set_running_loop(loop)
    try:
        wakeup(future)
    finally:
        asyncio.events._set_running_loop(running)


_catch_callbacks()


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
    if PythonTask is not None and PyMethod_Check(callback):
        owner = PyMethod_GET_SELF(callback)
        if PyObject_TypeCheck(owner, <PyTypeObject *> <PyObject *> PythonTask):
            return owner
    return NULL


# Methods of tasks that are called once a step or once a task: their C functions, without
# the machinery of a call.
ctypedef PyObject *(*Method)(PyObject *, PyObject *) noexcept


cdef Method method_of_task(name) except *:
    """Return the C function of a method of tasks that takes no arguments, or NULL."""
    cdef PyMethodDescrObject *descriptor
    method = asyncio.Task.__dict__.get(name)
    if type(method) is type(list.clear):
        descriptor = <PyMethodDescrObject *> <PyObject *> method
        if descriptor.d_method.ml_flags == METH_NOARGS:
            return descriptor.d_method.ml_meth
    return NULL


cdef Method done_function = method_of_task("done")
cdef Method cancelled_function = method_of_task("cancelled")


cdef bint is_done(PyObject *task) except -1:
    cdef PyObject *answer
    if done_function == NULL or not PyObject_TypeCheck(task, TaskType):
        return (<object> task).done()
    answer = done_function(task, NULL)
    Py_XDECREF(answer)
    return answer == Py_True


cdef bint is_cancelled(PyObject *task) except -1:
    cdef PyObject *answer
    if cancelled_function == NULL or not PyObject_TypeCheck(task, TaskType):
        return (<object> task).cancelled()
    answer = cancelled_function(task, NULL)
    Py_XDECREF(answer)
    return answer == Py_True
