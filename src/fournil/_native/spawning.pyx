# cython: binding=False
"""The making of futures and tasks: a method call each time that something is awaited or begun."""

import asyncio
import asyncio.futures
import asyncio.tasks

from cpython.object cimport PyObject, PyObject_Call

from fournil._native.scheduling cimport Scheduling
from fournil._native.sys.python cimport PyMethodDef, add_method

cdef object create_task_of_asyncio = asyncio.BaseEventLoop.create_task
# Programs replace the types there, and asyncio's loop takes what it finds.
cdef dict names_of_futures = asyncio.futures.__dict__
cdef dict names_of_tasks = asyncio.tasks.__dict__


cdef class Spawning(Scheduling):
    """Makes the futures and tasks of a loop."""

    def __cinit__(self, *args, **kwargs):
        self.task_options = {"loop": self}

    cdef int look_at_futures(self) except -1:
        """Find out whether the program replaced `create_future`."""
        self.own_futures = (
            "create_future" not in getattr(self, "__dict__", {})
            and getattr(type(self), "create_future", None) is Spawning.create_future
        )
        return 0

    def create_future(self):
        """Return a new future of this loop."""
        if self.task_options is None:
            return names_of_futures["Future"](loop=self)
        # Options that are a dictionary already are handed on as they are.
        return PyObject_Call(names_of_futures["Future"], (), self.task_options)

    cdef object new_future(self):
        """Like `create_future`, for native code: without a look for the method."""
        if self.own_futures and self.task_options is not None:
            return PyObject_Call(names_of_futures["Future"], (), self.task_options)
        return self.create_future()

    cdef object new_task(self, coroutine, dict options):
        """Run a coroutine as a task; `create_task`, below, is this."""
        if self._closed:
            self._check_closed()
        if self._task_factory is not None or self._debug:
            task = create_task_of_asyncio(self, coroutine, **(options or {}))
        else:
            if options is None:
                options = self.task_options or {"loop": self}
            else:
                options["loop"] = self
            task = PyObject_Call(names_of_tasks["Task"], (coroutine,), options)
        if self.record is not None:
            self.record.created(task, coroutine)
        return task


# Made by hand, as `call_soon` is: it would make a dictionary of its options where there are none.

cdef object create_task(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names):
    cdef dict options = None
    cdef Py_ssize_t i
    if count > 1:
        raise TypeError(f"create_task() takes one coroutine, and got {count} arguments")
    if names != NULL:
        options = {}
        for i, name in enumerate(<tuple> <object> names, count):
            options[name] = <object> args[i]
    if count:
        coroutine = <object> args[0]
    elif options and "coro" in options:
        coroutine = options.pop("coro")
    else:
        raise TypeError("create_task() missing 1 required positional argument: 'coro'")
    return (<Spawning> self).new_task(coroutine, options)


cdef PyMethodDef create_task_definition

add_method(
    Spawning,
    &create_task_definition,
    b"create_task",
    <void *> create_task,
    b"create_task($self, coro, **options)\n--\n\n"
    b"Run a coroutine as a task; `options` are those of `asyncio.Task`.",
)
