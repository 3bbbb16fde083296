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

from cpython.exc cimport PyErr_CheckSignals, PyErr_ExceptionMatches
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint64_t

from fournil._native.handles cimport Handle, ThreadsafeHandle, TimerHandle
from fournil._native.inbox cimport Inbox
from fournil._native.ready cimport pop, push
from fournil._native.ring cimport Ring, current_ring
from fournil._native.scheduling cimport clock_is_real
from fournil._native.spawning cimport Spawning
from fournil._native.steps cimport LoopRecord, Running, new_record
from fournil._native.sys.collector cimport Traverse, Visit
from fournil._native.sys.python cimport (
    PyContext_CopyCurrent,
    PyContext_Enter,
    PyContext_Exit,
    PyObject_GenericSetAttr,
    take_raised_exception,
)
from fournil._native.sys.ticks cimport monotonic_ns, ticks_choose, ticks_now
from fournil._native.timers cimport earliest

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned int tp_version_tag
        Traverse tp_traverse
        int (*tp_clear)(PyObject *) noexcept
    PyTypeObject *Py_TYPE(object)

# A look costs about as much as a step, and what it finds can wait as long as a few hundred.
cdef enum:
    LOOK_EVERY_NS = 100_000

cdef unsigned int NOT_LOOKED_AT = 0xFFFFFFFF

cdef frozenset PARTS = frozenset({"_run_once", "_selector", "_process_events"})
cdef PyTypeObject *AsyncioHandle = <PyTypeObject *> <PyObject *> asyncio.events.Handle

ticks_choose()
cdef uint64_t imported_ns = monotonic_ns()
cdef uint64_t imported_ticks = ticks_now()


cdef double ticks_per_ns() noexcept:
    """Return the rate of the tick, exact to about one part in a thousand."""
    # Two readings are needed, some time apart; the import of this module was the first.
    while monotonic_ns() - imported_ns < 100_000:
        pass
    return (ticks_now() - imported_ticks) / <double> (monotonic_ns() - imported_ns)


cdef class LoopCore(Spawning):
    """The hot half of an event loop; the other is `asyncio.SelectorEventLoop`."""

    def __cinit__(self, *args, **kwargs):
        self.inbox = Inbox()
        self.ticks_per_second = ticks_per_ns() * 1e9
        self.poll_interval = <uint64_t> (self.ticks_per_second * LOOK_EVERY_NS / 1e9)
        self.told_fd = -1
        self.class_version = NOT_LOOKED_AT
        self.look_at_replaced(None)

    # What the program replaced, of this loop or of asyncio.

    def __setattr__(self, name, value):
        PyObject_GenericSetAttr(self, name, <PyObject *> value)
        self.look_at_replaced(name)

    def __delattr__(self, name):
        PyObject_GenericSetAttr(self, name, NULL)
        self.look_at_replaced(name)

    cdef int look_at_replaced(self, name) except -1:
        if name in PARTS:
            self.class_version = NOT_LOOKED_AT
        cdef dict own = getattr(self, "__dict__", {})
        cdef type kind = type(self)
        self.own_clock = "time" not in own and getattr(kind, "time", None) is LoopCore.time
        self.look_at_futures()
        return 0

    cdef int follow_patches(self) except -1:
        # CPython gives a class another number at each change of it or of its bases.
        if (
            Py_TYPE(self).tp_version_tag != self.class_version
            or AsyncioHandle.tp_version_tag != self.handle_version
        ):
            self.look_at_patches()
        return 0

    cdef int look_at_patches(self) except -1:
        """Find out what the program replaced of what asyncio's loop calls in each turn."""
        (
            self.turns_by_others,
            self.parts_by_others,
            self.handles_by_others,
            self.selector_is_foreign,
        ) = self._follow_patches()
        self.look_at_replaced(None)
        # After the look, which gives a number to classes that have none.
        self.class_version = Py_TYPE(self).tp_version_tag
        self.handle_version = AsyncioHandle.tp_version_tag

    # One turn.

    cdef int turn(self) except -1:
        """Look at the kernel and the clock when it is time to; then run what is ready."""
        if current_ring != self.ring_seen:
            self.follow_recorder()
        self.follow_patches()
        if self.parts_by_others:
            return self.turn_by_parts()
        cdef uint64_t now = ticks_now() if self.ready.count else self.polled_at
        # Of a clock of the program's nobody knows when it has moved.
        if (
            self.ready.count == 0
            or now - self.polled_at >= self.poll_interval
            or not (self.own_clock and clock_is_real())
        ):
            self.look()
            now = self.polled_at
        return self.run_ready(now)

    cdef long long time_to_wait(self) except -2:
        """Return for how long the loop may wait for the kernel, in nanoseconds; -1: without end."""
        cdef long long timeout_ns = -1
        cdef double left
        if self.shown_timers is not None:
            self.adopt_timers()
        if self.ready.count == 0 and not self._stopping:
            # A signal whose handler waits to run now would not end the wait.
            PyErr_CheckSignals()
            if self.timers.count:
                left = earliest(self.timers) - self.now()
                # Longer than a day, the loop just looks again: no kernel's limit is near.
                timeout_ns = <long long> (min(max(left, 0.0), 86400.0) * 1e9)
        # Only now: a signal's handler may have made something ready, and another thread, which
        # the `time` of a subclass lets run.
        return 0 if self.ready.count or self._stopping else timeout_ns

    cdef int look(self) except -1:
        """Wait for the kernel until something is ready or due, and make it ready."""
        cdef int count = self.wait(self.time_to_wait())
        if count:
            self.poller.collect(count, self.polled_at)
        if self.timers.count:
            self.fire_timers()
        return 0

    cdef int wait(self, long long timeout_ns) except -1:
        """Wait for the kernel at most so long (negative: without end); return what came of it."""
        cdef uint64_t began
        cdef int count
        if self.record is None:
            count = self.poller.wait(timeout_ns, NULL)
            self.polled_at = ticks_now()
        else:
            began = ticks_now()
            self.record.begin_wait(began)
            count = self.poller.wait(timeout_ns, self.record.returned)
            self.polled_at = ticks_now()
            self.record.end_wait(began, self.polled_at, count, timeout_ns != 0)
        return count

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
        cdef object callback = handle.recorded_as()
        cdef Running running
        record.begin_step(&running, handle, <PyObject *> callback)
        try:
            if self._debug:
                self._run_in_debug_mode(handle)
            elif not handle._cancelled:  # by a finalizer, while the step was written down
                self.run(handle)
        finally:
            record.end_step(&running)
        return 0

    cdef int follow_recorder(self) except -1:
        """A recording began or ended: attach to it, or let go."""
        if self.record is not None:
            self.record.end_run()
            self.record.close()
            self.record = None
        self.ring_seen = current_ring
        if current_ring != NULL:
            self.record = new_record(<Ring> current_ring)
        if self.record is not None:
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

    # A turn whose parts are the program's.

    cdef int turn_by_parts(self) except -1:
        """Run a turn by what the program put in the place of the selector or of handles' runs."""
        cdef long long timeout_ns = self.time_to_wait()
        cdef size_t todo
        cdef uint64_t began = ticks_now()
        cdef LoopRecord record = self.record
        cdef bint foreign = self.selector_is_foreign
        if foreign:
            # It waits for the poller's descriptor.
            self.poller.follow_fork()
            if self.told_fd != self.poller.epoll.fd:
                self._tell_selector(self.told_fd, self.poller.epoll.fd)
                self.told_fd = self.poller.epoll.fd
            if record is not None:
                record.begin_wait(began)
        self.poller.epoll.waiting = foreign
        try:
            events = self._selector.select(None if timeout_ns < 0 else timeout_ns / 1e9)
        finally:
            self.poller.epoll.waiting = False
            if record is not None and foreign:
                record.end_wait(began, ticks_now(), 0, timeout_ns != 0)
        self._process_events(events)
        self.polled_at = ticks_now()
        if self.timers.count:
            self.fire_timers()
        todo = self.ready.count
        while todo and self.ready.count:
            todo -= 1
            handle = self.ready.popleft()
            if handle._cancelled:
                continue
            if self._debug:
                self._run_in_debug_mode(handle)
            else:
                handle._run()
        return 0

    def _look(self, timeout):
        """Wait for the kernel at most `timeout` seconds (None: without end), as a selector does.

        Returns pairs of a descriptor and what it was reported for, as `selectors` numbers it;
        those who wait for them are ready by then.
        """
        cdef long long timeout_ns = -1
        cdef int count
        # Another thread may have made something ready while the program's `select` was called.
        if self.ready.count:
            timeout_ns = 0
        elif timeout is not None:
            timeout_ns = <long long> (min(max(<double> timeout, 0.0), 86400.0) * 1e9)
        count = self.wait(timeout_ns)
        reported = self.poller.reported(count)
        self.poller.collect(count, self.polled_at)
        return reported

    def _process_events(self, events):
        # asyncio's name. What a view of the poller selected was made ready by that.
        if self.selector_is_foreign:
            self.poller.collect(self.poller.wait(0, NULL), ticks_now())

    cdef int run_by_asyncio(self, Handle handle) except -1:
        """Run a handle by the `_run` that asyncio's has by now."""
        cdef bint native = handle._callback is None
        # One of native code is no callback: it gets what makes it look like one meanwhile.
        context = handle._context
        if context is None:
            handle._context = PyContext_CopyCurrent()
        if native:
            handle._callback = handle._act
            handle._args = ()
        if isinstance(handle, ThreadsafeHandle):
            (<ThreadsafeHandle> handle).begin()
        try:
            asyncio.events.Handle._run(handle)
        finally:
            if isinstance(handle, ThreadsafeHandle):
                (<ThreadsafeHandle> handle).end()
            if native:
                handle._callback = handle._args = None
                handle._context = context
        return 0

    cdef int failed(self, Handle handle) except -1:
        if PyErr_ExceptionMatches(KeyboardInterrupt) or PyErr_ExceptionMatches(SystemExit):
            return -1
        self._callback_failed(handle, take_raised_exception())
        return 0

    # For the Python half.

    def _run(self):
        """Run turns until `stop` was called."""
        # Whoever starts the loop may have changed anything: the first turn looks.
        self.polled_at = 0
        self.follow_patches()
        if self.record is not None:
            self.record.begin_run()
        try:
            while True:
                if self.turns_by_others:
                    self._run_once()
                else:
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
        cdef LoopRecord record
        cdef Running running
        if handle._cancelled:
            return
        record = self.record
        if (
            record is not None and record.subject
            and record.step.handle == <PyObject *> handle
        ):
            # In debug mode, the step itself.
            self.run_by_hand(handle)
            return
        if current_ring != self.ring_seen:
            self.follow_recorder()
        record = self.record
        if record is None:
            self.run_by_hand(handle)
            return
        record.begin_steps(ticks_now())
        callback = handle.recorded_as()
        record.begin_step(&running, handle, <PyObject *> callback)
        try:
            self.run_by_hand(handle)
        finally:
            record.end_step(&running)
            record.end_steps()

    cdef int run_by_hand(self, Handle handle) except -1:
        return self.run_by_asyncio(handle) if self.handles_by_others else self.run(handle)

    def _close_core(self):
        if self.record is not None:
            self.record.close()
            self.record = None
            self.ring_seen = NULL
        # They hold the loop: a closed one is let go of without the cyclic collector.
        self.task_options = None
        self.ready.empty()
        self.timers.clear()
        self.poller.close()


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
    (<LoopCore> loop).ready.empty()
    (<LoopCore> loop).timers.clear()
    (<LoopCore> loop).poller.forget_all()
    (<LoopCore> loop)._task_factory = None
    return 0


(<PyTypeObject *> LoopCore).tp_traverse = traverse
(<PyTypeObject *> LoopCore).tp_clear = clear
