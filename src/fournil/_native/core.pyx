# cython: binding=False
"""The loop's core: what runs millions of times. One turn is `LoopCore.turn`.

A turn runs what was ready when it began; what that makes ready waits for the next. So nothing
waits without end:

- While callbacks are always ready, a turn that begins 100 us or more after the last look at the
  kernel looks again: what has come, and the timers that are due, run in that turn.
- A look brings at most 512 descriptors; the kernel puts those behind the others, which the next
  look brings.
- A descriptor that always has more is taken up once a turn: one read of a stream, or accepts,
  datagrams or sends, encrypted or not, of 100 us; then the others have their turn.
"""

import asyncio
import asyncio.futures
import asyncio.tasks
import threading

from cpython.exc cimport PyErr_CheckSignals, PyErr_ExceptionMatches
from cpython.object cimport PyObject, PyObject_Call
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport uint64_t

from fournil._native.channel cimport Channel
from fournil._native.handles cimport Handle, ThreadsafeHandle, TimerHandle
from fournil._native.inbox cimport Inbox
from fournil._native.layout cimport KIND_CALLBACK, KIND_READER, KIND_TIMER, KIND_WRITER
from fournil._native.poller cimport Poller
from fournil._native.ready cimport ReadyQueue, pop, push
from fournil._native.ring cimport Ring, current_ring
from fournil._native.steps cimport LoopRecord
from fournil._native.sys.collector cimport PyTypeObject, Traverse, Visit
from fournil._native.sys.python cimport (
    PyMethodDef,
    PyContext_CopyCurrent,
    PyContext_Enter,
    PyContext_Exit,
    PyObject_GenericSetAttr,
    add_method,
    take_raised_exception,
)
from fournil._native.sys.ticks cimport monotonic_ns, ticks_choose, ticks_now
from fournil._native.timers cimport Timers, earliest

# A look costs about as much as a step, and what it finds can wait as long as a few hundred.
cdef enum:
    LOOK_EVERY_NS = 100_000

cdef object get_ident = threading.get_ident
# Since CPython 3.14.
cdef bint has_threadsafe_handles = hasattr(asyncio.events, "_ThreadSafeHandle")
cdef object create_task_of_asyncio = asyncio.BaseEventLoop.create_task
cdef object ensure_of_asyncio = asyncio.SelectorEventLoop._ensure_fd_no_transport
# Programs replace the types there, and asyncio's loop takes what it finds.
cdef dict names_of_futures = asyncio.futures.__dict__
cdef dict names_of_tasks = asyncio.tasks.__dict__

ticks_choose()
cdef uint64_t imported_ns = monotonic_ns()
cdef uint64_t imported_ticks = ticks_now()


cdef double ticks_per_ns() noexcept:
    """Return the rate of the tick, exact to about one part in a thousand."""
    # Two readings are needed, some time apart; the import of this module was the first.
    while monotonic_ns() - imported_ns < 100_000:
        pass
    return (ticks_now() - imported_ticks) / <double> (monotonic_ns() - imported_ns)


cdef inline Handle filled(LoopCore loop, Handle handle, callback, args, context):
    handle._callback = callback
    handle._args = args
    handle._context = PyContext_CopyCurrent() if context is None else context
    handle._loop = loop
    handle.kind = KIND_CALLBACK
    return handle


cdef class LoopCore:
    """The hot half of an event loop; the other is `asyncio.SelectorEventLoop`."""

    def __cinit__(self, *args, **kwargs):
        # Until asyncio's half has made it open: one that is not made is not to be closed.
        self._closed = True
        self.ready = ReadyQueue()
        self.timers = Timers()
        self.inbox = Inbox()
        self.poller = Poller(self.ready)
        self.task_options = {"loop": self}
        self.ticks_per_second = ticks_per_ns() * 1e9
        self.poll_interval = <uint64_t> (self.ticks_per_second * LOOK_EVERY_NS / 1e9)
        self.look_at_replaced()

    # Tests put a clock of theirs into a loop, and take it out again.

    def __setattr__(self, name, value):
        PyObject_GenericSetAttr(self, name, <PyObject *> value)
        self.look_at_replaced()

    def __delattr__(self, name):
        PyObject_GenericSetAttr(self, name, NULL)
        self.look_at_replaced()

    cdef int look_at_replaced(self) except -1:
        cdef dict own = getattr(self, "__dict__", {})
        cdef type kind = type(self)
        self.own_clock = "time" not in own and getattr(kind, "time", None) is LoopCore.time
        self.own_futures = (
            "create_future" not in own
            and getattr(kind, "create_future", None) is LoopCore.create_future
        )
        return 0

    # One turn.

    cdef int turn(self) except -1:
        """Look at the kernel and the clock when it is time to; then run what is ready."""
        if current_ring != self.ring_seen:
            self.follow_recorder()
        cdef uint64_t now = ticks_now() if self.ready.count else self.polled_at
        if self.ready.count == 0 or now - self.polled_at >= self.poll_interval:
            self.look()
            now = self.polled_at
        return self.run_ready(now)

    cdef int look(self) except -1:
        """Wait for the kernel until something is ready or due, and make it ready."""
        cdef long long timeout_ns = -1
        cdef double left
        cdef uint64_t began
        cdef int count
        if self.ready.count == 0 and not self._stopping:
            # A signal whose handler waits to run now would not end the wait.
            PyErr_CheckSignals()
            if self.timers.count:
                left = earliest(self.timers) - self.now()
                # Longer than a day, the loop just looks again: no kernel's limit is near.
                timeout_ns = <long long> (min(max(left, 0.0), 86400.0) * 1e9)
        # Only now: a signal's handler may have made something ready, and another thread, which
        # the `time` of a subclass lets run.
        if self.ready.count or self._stopping:
            timeout_ns = 0
        if self.record is None:
            count = self.poller.wait(timeout_ns)
            self.polled_at = ticks_now()
        else:
            began = ticks_now()
            self.record.begin_wait(began)
            count = self.poller.wait(timeout_ns)
            self.polled_at = ticks_now()
            self.record.end_wait(began, self.polled_at, count, timeout_ns != 0)
        if count:
            self.poller.collect(count, self.polled_at)
        if self.timers.count:
            self.fire_timers()
        return 0

    cdef int fire_timers(self) except -1:
        # A nanosecond is the clock's resolution: the kernel's wait may end that much early.
        cdef double now = self.now() + 1e-9
        cdef double late
        cdef TimerHandle handle
        while self.timers.count and earliest(self.timers) <= now:
            handle = self.timers.pop()
            handle.ready_at = self.polled_at
            late = now - handle.deadline
            # Not so where the moment is no number, or infinitely long ago.
            if 0 < late < 1e6:
                handle.ready_at -= <uint64_t> (late * self.ticks_per_second)
            push(self.ready, handle)
        return 0

    cdef int run_ready(self, uint64_t now) except -1:
        """Run the handles that are ready now; what they make ready waits for the next turn."""
        cdef size_t todo = self.ready.count
        cdef Handle handle
        cdef PyObject *taken
        if self.record is not None:
            self.record.begin_steps(now)
        while todo and self.ready.count:
            todo -= 1
            taken = pop(self.ready)
            handle = <Handle> taken
            Py_DECREF(handle)
            if handle._cancelled:
                continue
            if self.record is not None:
                self.run_recorded(handle)
            elif self._debug:
                self._run_in_debug_mode(handle)
            else:
                self.run(handle)
        if self.record is not None:
            self.record.end_steps()
        return 0

    cdef int run_recorded(self, Handle handle) except -1:
        # A step may start or stop the recorder, so this one's record is kept.
        cdef LoopRecord record = self.record
        cdef object callback = handle.doing()
        record.begin_step(handle, <PyObject *> callback)
        try:
            if self._debug:
                self._run_in_debug_mode(handle)
            elif not handle._cancelled:  # by a finalizer, while the step was written down
                self.run(handle)
        finally:
            record.end_step()
        return 0

    cdef int follow_recorder(self) except -1:
        """A recording began or ended: attach to it, or let go."""
        if self.record is not None:
            self.record.end_run()
            self.record.close()
            self.record = None
        self.ring_seen = current_ring
        if current_ring != NULL:
            self.record = LoopRecord(<Ring> current_ring)
            self.record.begin_run()
        return 0

    cdef int run(self, Handle handle) except -1:
        """Run one handle in its context; its exception goes to the loop's handler."""
        cdef object context = handle._context
        cdef int status
        if context is None:  # a handle of native code that calls none of the user's
            return 0 if handle.act() == 0 else self.failed(handle)
        if PyContext_Enter(context) < 0:
            return self.failed(handle)
        status = handle.act()
        if PyContext_Exit(context) < 0 or status < 0:
            return self.failed(handle)
        return 0

    cdef int failed(self, Handle handle) except -1:
        if PyErr_ExceptionMatches(KeyboardInterrupt) or PyErr_ExceptionMatches(SystemExit):
            return -1
        self._callback_failed(handle, take_raised_exception())
        return 0

    # What makes handles ready.

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
            push(self.ready, self.new_handle(handle._callback, handle._args, handle._context))

    def _write_to_self(self):
        self.poller.wake()

    # What asyncio asks of a loop all the time.

    cdef double now(self) except? -1:
        if self.own_clock:
            return monotonic_ns() / 1e9
        return self.time()

    def time(self):
        """Return the loop's time: CLOCK_MONOTONIC in seconds."""
        return monotonic_ns() / 1e9

    def get_debug(self):
        """Return whether the loop is in debug mode."""
        return self._debug

    def is_closed(self):
        """Return whether the loop was closed."""
        return self._closed

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

    # For the Python half.

    def _run(self):
        """Run turns until `stop` was called."""
        # Whoever starts the loop may have changed anything: the first turn looks.
        self.polled_at = 0
        if self.record is not None:
            self.record.begin_run()
        try:
            while True:
                self.turn()
                if self._stopping:
                    break
        finally:
            if self.record is not None:
                self.record.end_run()

    def _run_once(self):
        self.polled_at = 0
        self.turn()

    def _run_handle(self, Handle handle not None):
        # Cancelled it may be by now: what calls this, runs Python code before.
        if not handle._cancelled:
            self.run(handle)

    def _close_core(self):
        if self.record is not None:
            self.record.close()
            self.record = None
            self.ring_seen = NULL
        # They hold the loop: a closed one is let go of without the cyclic collector.
        self.task_options = None
        self.ready.clear()
        self.timers.clear()
        self.poller.close()

    @property
    def _poller(self):
        return self.poller


# `call_soon` is called once a step by asyncio's C code, with a keyword whose string is not
# interned: comparing it takes longer than all else that the method does. So the method is
# made by hand, and knows that caller by the tuple of keywords that it passes each time. So is
# `create_task`, which would make a dictionary of its options where there are none.

cdef object names_of_asyncio = None


cdef object call_soon(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names):
    cdef LoopCore loop = <LoopCore> self
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
    return (<LoopCore> self).new_task(coroutine, options)


cdef PyMethodDef call_soon_definition, create_task_definition

add_method(
    LoopCore,
    &call_soon_definition,
    b"call_soon",
    <void *> call_soon,
    b"call_soon($self, callback, *args, context=None)\n--\n\n"
    b"Run `callback(*args)` in the next turn.",
)
add_method(
    LoopCore,
    &create_task_definition,
    b"create_task",
    <void *> create_task,
    b"create_task($self, coro, **options)\n--\n\n"
    b"Run a coroutine as a task; `options` are those of `asyncio.Task`.",
)


# The queue, the timers and the poller hold handles as plain pointers, which the cyclic
# collector does not see, and each handle holds its loop. Without what follows, a loop that
# nobody closed would neither be collected nor warn that it was not closed.

cdef Traverse traverse_fields = (<PyTypeObject *> LoopCore).tp_traverse


cdef int traverse(PyObject *loop, Visit visit, void *argument) noexcept:
    cdef LoopCore core = <LoopCore> loop
    cdef int status = traverse_fields(loop, visit, argument)
    if core.poller is None:  # made last, when descriptors do not run out
        return status
    if status == 0:
        status = core.ready.show(visit, argument)
    if status == 0:
        status = core.timers.show(visit, argument)
    if status == 0:
        status = core.poller.show(visit, argument)
    return status


cdef int clear(PyObject *loop) noexcept:
    # The three stay, emptied: what is finalized after the loop may still call its methods.
    if (<LoopCore> loop).poller is None:
        return 0
    (<LoopCore> loop).ready.clear()
    (<LoopCore> loop).timers.clear()
    (<LoopCore> loop).poller.forget_all()
    (<LoopCore> loop)._task_factory = None
    return 0


(<PyTypeObject *> LoopCore).tp_traverse = traverse
(<PyTypeObject *> LoopCore).tp_clear = clear
