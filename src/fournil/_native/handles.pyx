# cython: binding=False
"""Handles: what `call_soon`, `call_later` and their like return, with asyncio's interface.

A native class cannot have asyncio's as a base, which has fields of its own. `isinstance` also
goes by `__class__`, so that a handle is one of asyncio's to whoever asks.
"""

import asyncio.events
import asyncio.format_helpers
import threading

cimport cython
from cpython.object cimport PyObject
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_DECREF
from cpython.tuple cimport PyTuple_GET_SIZE

from fournil._native.layout cimport KIND_CALLBACK
from fournil._native.sys.collector cimport Clear, PyTypeObject
from fournil._native.sys.python cimport (
    PyObject_Vectorcall,
    PyTupleObject,
    raise_again,
    take_raised_exception,
)
from fournil._native.timers cimport Timers

# Since CPython 3.13 arguments, which may be secrets, are shown in debug mode only.
cdef bint may_hide_arguments = (
    "debug" in (asyncio.format_helpers._format_callback_source.__kwdefaults__ or ())
)


def show_callback(Handle handle not None):
    """Return a handle's callback and where it is defined, as asyncio shows it."""
    options = {"debug": handle._loop.get_debug()} if may_hide_arguments else {}
    return asyncio.format_helpers._format_callback_source(
        handle._callback, handle._args, **options
    )


cdef int succeed(Handle handle) except -1:
    return handle.act()


@cython.freelist(256)
cdef class Handle:
    """A callback that waits for its turn; made by the loop's methods only."""

    def __init__(self, *args, **kwargs):
        # One that is made otherwise stands for nothing, which native code does not expect.
        raise TypeError(f"a {type(self).__name__} is made by the methods of a loop only")

    @property
    def __class__(self):
        return asyncio.events.Handle

    cdef int act(self) noexcept:
        # The callback may cancel its own handle: these keep what it runs on alive.
        cdef object callback = self._callback
        cdef object args = self._args
        cdef PyObject *result = PyObject_Vectorcall(
            <PyObject *> callback,
            <PyObject **> (<PyTupleObject *> args).ob_item,
            PyTuple_GET_SIZE(args),
            NULL,
        )
        if result == NULL:
            return -1
        Py_DECREF(<object> result)
        return 0

    cdef object recorded_as(self):
        return self._callback

    def cancel(self):
        """Cancel the callback; cancelling one that ran or was cancelled does nothing."""
        if self._cancelled:
            return
        self._cancelled = True
        if self._source_traceback is not None:  # made in debug mode
            self._shown = repr(self)
        self._callback = None
        self._args = None

    def cancelled(self):
        """Return whether the callback was cancelled."""
        return self._cancelled

    def get_context(self):
        """Return the context in which the callback will run."""
        return self._context

    def _run(self):
        # asyncio's name; libraries that drive a loop by hand call it.
        self._loop._run_handle(self)

    def _act(self):
        """Do what the handle stands for, as the callback that asyncio would have for it."""
        succeed(self)

    def _repr_info(self):
        info = [self.__class__.__name__]
        if self._cancelled:
            info.append("cancelled")
        if self._callback is not None:
            info.append(show_callback(self))
        if self._source_traceback:
            *_, frame = self._source_traceback
            info.append(f"created at {frame[0]}:{frame[1]}")
        return info

    def __repr__(self):
        if self._shown is not None:
            return self._shown
        return f"<{' '.join(self._repr_info())}>"


cdef class TimerHandle(Handle):
    """A callback that waits for a moment; ordered by it, as asyncio's is."""

    @property
    def __class__(self):
        return asyncio.events.TimerHandle

    def cancel(self):
        """Cancel the callback; the loop forgets it at once."""
        cdef Timers timers
        if self._cancelled:
            return
        self._cancelled = True
        if self._source_traceback is not None:  # made in debug mode
            self._shown = repr(self)
        self._callback = None
        self._args = None
        if self.timers is not None:
            timers = <Timers> self.timers
            timers.remove(self)

    def when(self):
        """Return the moment, in seconds of the loop's clock."""
        return self.deadline

    @property
    def _when(self):
        return self.deadline

    @property
    def _scheduled(self):
        return self.timers is not None

    @_scheduled.setter
    def _scheduled(self, value):
        # asyncio's loop says so of a timer that it has taken from the list of timers.
        if not value and self.timers is not None:
            (<Timers> self.timers).remove(self)

    def _repr_info(self):
        info = super()._repr_info()
        info.insert(2 if self._cancelled else 1, f"when={self.deadline}")
        return info

    def __hash__(self):
        return hash(self.deadline)

    def __lt__(self, other):
        if not isinstance(other, TimerHandle):
            return NotImplemented
        return self.deadline < (<TimerHandle> other).deadline

    def __le__(self, other):
        if not isinstance(other, TimerHandle):
            return NotImplemented
        return self.deadline < (<TimerHandle> other).deadline or self == other

    def __gt__(self, other):
        if not isinstance(other, TimerHandle):
            return NotImplemented
        return self.deadline > (<TimerHandle> other).deadline

    def __ge__(self, other):
        if not isinstance(other, TimerHandle):
            return NotImplemented
        return self.deadline > (<TimerHandle> other).deadline or self == other

    def __eq__(self, other):
        if not isinstance(other, TimerHandle):
            return NotImplemented
        return (
            self.deadline == (<TimerHandle> other).deadline
            and self._callback == (<TimerHandle> other)._callback
            and self._args == (<TimerHandle> other)._args
            and self._cancelled == (<TimerHandle> other)._cancelled
        )


cdef class Adopted(TimerHandle):
    """A handle that asyncio's own code made, among ours."""

    @property
    def __class__(self):
        return type(self.other)

    cdef int act(self) noexcept:
        try:
            if not self.other._cancelled:
                self.other._run()
            return 0
        except BaseException as problem:
            error = problem
        raise_again(error)
        return -1

    cdef object recorded_as(self):
        return self.other._callback

    def cancel(self):
        """Cancel both."""
        TimerHandle.cancel(self)
        self.other.cancel()

    def _repr_info(self):
        return self.other._repr_info()


cdef Handle adopted(handle):
    """Return the handle to run for one that a program puts into a loop's queue or its timers."""
    cdef Adopted adopted
    if isinstance(handle, Handle):
        # A timer that a program takes from the timers and makes ready, as asyncio's loop does.
        if isinstance(handle, TimerHandle) and (<TimerHandle> handle).timers is not None:
            (<Timers> (<TimerHandle> handle).timers).remove(handle)
        return handle
    if not (callable(getattr(handle, "_run", None)) and hasattr(handle, "_cancelled")):
        raise TypeError(f"a loop runs handles, and {handle!r} is none")
    adopted = Adopted.__new__(Adopted)
    adopted.other = handle
    adopted._loop = getattr(handle, "_loop", None)
    adopted.kind = KIND_CALLBACK
    return adopted


cdef class ThreadsafeHandle(Handle):
    """A handle of `call_soon_threadsafe` since CPython 3.14.

    Another thread that cancels it, or asks whether it is cancelled, waits while it runs: it
    knows then that the callback has not begun, or has ended. asyncio's takes a lock for each
    run; with the GIL held, to say which thread runs it is enough.
    """

    cdef int act(self) noexcept:
        cdef int status
        if self._cancelled:  # by a finalizer, on the way here
            return 0
        self.begin()
        status = Handle.act(self)
        if self.ended is None:
            self.runner = 0
            return status
        error = take_raised_exception() if status < 0 else None
        try:
            self.end()
        except BaseException as problem:  # of a signal's handler
            if error is None:
                error = problem
        if error is not None:
            status = -1
            raise_again(error)
        return status

    cdef void begin(self) noexcept:
        self.runner = PyThread_get_thread_ident()

    cdef int end(self) except -1:
        self.runner = 0
        if self.ended is not None:
            self.ended.set()
        return 0

    cdef int wait_while_it_runs(self) except -1:
        cdef long here = PyThread_get_thread_ident()
        while self.runner and self.runner != here:
            if self.ended is None:
                # It may end while this is made, and nobody then sets it.
                ended = threading.Event()
                if self.ended is None:
                    self.ended = ended
            else:
                self.ended.wait()
        return 0

    @property
    def __class__(self):
        return asyncio.events._ThreadSafeHandle

    def cancel(self):
        """Cancel the callback; cancelling one that ran or was cancelled does nothing."""
        self.wait_while_it_runs()
        Handle.cancel(self)

    def cancelled(self):
        """Return whether the callback was cancelled."""
        self.wait_while_it_runs()
        return self._cancelled


# What the collector has cleared is still in its loop's queue until that is cleared as well: it is
# as if it were cancelled, which nobody runs.

cdef Clear clear_handle = (<PyTypeObject *> Handle).tp_clear
cdef Clear clear_timer = (<PyTypeObject *> TimerHandle).tp_clear
cdef Clear clear_adopted = (<PyTypeObject *> Adopted).tp_clear
cdef Clear clear_threadsafe = (<PyTypeObject *> ThreadsafeHandle).tp_clear


cdef int cancel_and_clear_handle(PyObject *handle) noexcept:
    (<Handle> handle)._cancelled = True
    return clear_handle(handle)


cdef int cancel_and_clear_timer(PyObject *handle) noexcept:
    (<Handle> handle)._cancelled = True
    return clear_timer(handle)


cdef int cancel_and_clear_adopted(PyObject *handle) noexcept:
    (<Handle> handle)._cancelled = True
    return clear_adopted(handle)


cdef int cancel_and_clear_threadsafe(PyObject *handle) noexcept:
    (<Handle> handle)._cancelled = True
    return clear_threadsafe(handle)


(<PyTypeObject *> Handle).tp_clear = cancel_and_clear_handle
(<PyTypeObject *> TimerHandle).tp_clear = cancel_and_clear_timer
(<PyTypeObject *> Adopted).tp_clear = cancel_and_clear_adopted
(<PyTypeObject *> ThreadsafeHandle).tp_clear = cancel_and_clear_threadsafe
