# cython: binding=False
"""What makes callbacks run: `call_soon`, timers, readers and writers of file descriptors.

All ends in the ready queue, from which the core takes: at once, when a timer is due, or when the
poller reports a descriptor.
"""

import asyncio
import time
import warnings
from collections import deque

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM

from fournil._native.channel cimport Channel
from fournil._native.handles cimport Handle, ThreadsafeHandle, TimerHandle, adopted
from fournil._native.layout cimport KIND_CALLBACK, KIND_READER, KIND_TIMER, KIND_WRITER
from fournil._native.poller cimport Poller
from fournil._native.ready cimport ReadyQueue, push
from fournil._native.sys.dict_changes cimport dict_changes
from fournil._native.sys.python cimport PyContext_CopyCurrent, PyMethodDef, add_method
from fournil._native.sys.ticks cimport monotonic_ns, ticks_choose, ticks_now
from fournil._native.timers cimport Timers

# Since CPython 3.14.
cdef bint has_threadsafe_handles = hasattr(asyncio.events, "_ThreadSafeHandle")
cdef object ensure_of_asyncio = asyncio.SelectorEventLoop._ensure_fd_no_transport
cdef dict names_of_time = time.__dict__

ticks_choose()


time_changes = dict_changes(names_of_time)


cdef bint look_at_clock() except -1:
    """Find out whether `time.monotonic` is the standard library's: tests put a frozen one there."""
    global clock_looked_at, clock_was_real
    # 0 is no count, and never what was found at the last look.
    clock_looked_at = time_changes[0] or 1
    clock_was_real = type(names_of_time["monotonic"]) is type(len)
    return clock_was_real


cdef int say_not_replaced(str name) except -1:
    warnings.warn(
        f"the program replaces {name} of Fournil's loop, which goes on with its own",
        RuntimeWarning,
        stacklevel=2,
    )
    return 0


cdef inline Handle filled(Scheduling loop, Handle handle, callback, args, context):
    handle._callback = callback
    handle._args = args
    handle._context = PyContext_CopyCurrent() if context is None else context
    handle._loop = loop
    handle.kind = KIND_CALLBACK
    return handle


cdef class Scheduling:
    """The part of a loop that its users call: what they want to be run, and when."""

    def __cinit__(self, *args, **kwargs):
        # Until asyncio's half has made it open: one that is not made is not to be closed.
        self._closed = True
        self.ready = ReadyQueue()
        self.timers = Timers()
        self.poller = Poller(self.ready)

    cdef Handle new_handle(self, callback, args, context):
        return filled(self, Handle.__new__(Handle), callback, args, context)

    cdef Handle new_threadsafe_handle(self, callback, args, context):
        if not has_threadsafe_handles:
            return self.new_handle(callback, args, context)
        return filled(self, ThreadsafeHandle.__new__(ThreadsafeHandle), callback, args, context)

    cdef Handle soon(self, callback, args, context):
        """Run `callback(*args)` in the next turn; `call_soon`, below, is this."""
        if self._closed:
            self._check_closed()
        cdef Handle handle = self.new_handle(callback, args, context)
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_soon")
            handle._source_traceback = self._where()
        if self.record is not None:
            handle.ready_at = ticks_now()
            handle.waker = self.record.subject
        push(self.ready, handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Run `callback(*args)` in the next turn; from any thread, or a signal's handler."""
        if self._closed:
            self._check_closed()
        cdef Handle handle = self.new_threadsafe_handle(callback, args, context)
        if self._debug:
            self._check_callback(callback, "call_soon_threadsafe")
            handle._source_traceback = self._where()
        if self.record is not None:
            handle.ready_at = ticks_now()
        push(self.ready, handle)
        self.poller.wake()
        return handle

    cdef TimerHandle set_timer(self, double when, callback, args, context):
        cdef TimerHandle handle = TimerHandle.__new__(TimerHandle)
        handle._callback = callback
        handle._args = args
        handle._context = PyContext_CopyCurrent() if context is None else context
        handle._loop = self
        handle.kind = KIND_TIMER
        handle.deadline = when
        if self._debug:
            self._check_thread()
            self._check_callback(callback, "call_at")
            handle._source_traceback = self._where()
        self.timers.add(handle)
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Run `callback(*args)` after `delay` seconds."""
        if self._closed:
            self._check_closed()
        if delay is None:
            raise TypeError("delay must not be None")
        cdef double seconds = delay
        if seconds <= 0:
            self.polled_at = 0  # it is due: the next turn looks
        return self.set_timer(self.now() + seconds, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """Run `callback(*args)` when `time()` is `when`, in seconds."""
        if self._closed:
            self._check_closed()
        if when is None:
            raise TypeError("when cannot be None")
        cdef double moment = when
        if moment <= self.now():
            self.polled_at = 0  # it is due: the next turn looks
        return self.set_timer(moment, callback, args, context)

    def _add_reader(self, fd, callback, *args, context=None):
        if self._closed:
            self._check_closed()
        cdef Handle handle = self.new_handle(callback, args, context)
        handle.kind = KIND_READER
        if self._debug:
            handle._source_traceback = self._where()
        self.poller.set_reader(fd, handle)
        return handle

    def _remove_reader(self, fd):
        if self._closed:
            return False
        return self.poller.drop_reader(fd)

    def _add_writer(self, fd, callback, *args, context=None):
        if self._closed:
            self._check_closed()
        cdef Handle handle = self.new_handle(callback, args, context)
        handle.kind = KIND_WRITER
        if self._debug:
            handle._source_traceback = self._where()
        self.poller.set_writer(fd, handle)
        return handle

    def _remove_writer(self, fd):
        if self._closed:
            return False
        return self.poller.drop_writer(fd)

    def _ensure_fd_no_transport(self, fd):
        # Readers and writers of a transport's descriptor would take what is the transport's.
        cdef Channel channel = self.poller.channel_of(fd)
        if channel is not None and channel.transport is not None:
            if not channel.transport.is_closing():
                raise RuntimeError(
                    f"File descriptor {fd!r} is used by transport {channel.transport!r}"
                )
        ensure_of_asyncio(self, fd)

    def _add_callback(self, handle):
        # asyncio makes the handles of signals itself.
        if not handle._cancelled:
            push(self.ready, adopted(handle))

    def _write_to_self(self):
        self.poller.wake()

    # What asyncio's loop has in attributes, which programs look into.

    @property
    def _poller(self):
        return self.poller

    @property
    def _ready(self):
        return self.ready

    @_ready.setter
    def _ready(self, queue):
        # asyncio's half makes a deque, and a program that wants another order something else.
        if queue is not self.ready and not (type(queue) is deque and len(queue) == 0):
            say_not_replaced("_ready")

    @property
    def _scheduled(self):
        # A program may push timers of its own making there, as asyncio's loop does.
        if self.shown_timers is not None:
            self.adopt_timers()
        self.shown_timers = self.timers.listed()
        return self.shown_timers

    @_scheduled.setter
    def _scheduled(self, timers):
        if timers is not self.shown_timers and not (type(timers) is list and len(timers) == 0):
            say_not_replaced("_scheduled")

    cdef int adopt_timers(self) except -1:
        """Take over the timers that a program pushed since it was shown ours."""
        cdef list shown = self.shown_timers
        cdef TimerHandle handle
        self.shown_timers = None
        for timer in shown:
            if not isinstance(timer, TimerHandle):
                handle = adopted(timer)
                handle.deadline = timer._when
                self.timers.add(handle)
        return 0

    # The clock, and what asyncio asks of a loop all the time.

    cdef double now(self) except? -1:
        if self.own_clock and clock_is_real():
            return monotonic_ns() / 1e9
        return self.time()

    def time(self):
        """Return the loop's time: CLOCK_MONOTONIC in seconds."""
        if clock_is_real():
            return monotonic_ns() / 1e9
        return names_of_time["monotonic"]()

    def get_debug(self):
        """Return whether the loop is in debug mode."""
        return self._debug

    def is_closed(self):
        """Return whether the loop was closed."""
        return self._closed


# `call_soon` is called once a step by asyncio's C code, with a keyword whose string is not
# interned: comparing it takes longer than all else that the method does. So the method is
# made by hand, and knows that caller by the tuple of keywords that it passes each time.

cdef object names_of_asyncio = None


cdef object call_soon(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names):
    cdef Scheduling loop = <Scheduling> self
    cdef object context = None
    cdef tuple rest
    cdef Py_ssize_t i
    if names != NULL:
        if names != <PyObject *> names_of_asyncio:
            check_names(<object> names)
        context = <object> args[count]
    if count == 1:
        rest = ()
    elif count:
        rest = PyTuple_New(count - 1)
        for i in range(1, count):
            Py_INCREF(<object> args[i])
            PyTuple_SET_ITEM(rest, i - 1, <object> args[i])
    else:
        raise TypeError("call_soon() missing 1 required positional argument: 'callback'")
    return loop.soon(<object> args[0], rest, context)


cdef int check_names(tuple names) except -1:
    global names_of_asyncio
    if names != ("context",):
        unexpected = next(name for name in names if name != "context")
        raise TypeError(f"call_soon() got an unexpected keyword argument {unexpected!r}")
    names_of_asyncio = names
    return 0


cdef PyMethodDef call_soon_definition

add_method(
    Scheduling,
    &call_soon_definition,
    b"call_soon",
    <void *> call_soon,
    b"call_soon($self, callback, *args, context=None)\n--\n\n"
    b"Run `callback(*args)` in the next turn.",
)
