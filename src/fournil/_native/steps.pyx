"""What the recorder does for each step of a loop: whose step it is, its event, its totals."""

import threading
import types

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from fournil._native.handles cimport Handle
from fournil._native.layout cimport (
    FLAG_FIRST,
    KIND_BORN,
    KIND_ENDED,
    KIND_TASK,
    KIND_WAIT,
    SAMPLE_BLOCKED,
    SITE_BIT,
    TASK_CANCELLED,
    TASK_FINISHED,
    TASK_PENDING,
    TASK_RAISED,
    THREAD_LOOP,
    TURN_BUCKETS,
    Event,
    Sample,
    Site,
    Task,
)
from fournil._native.ring cimport NO_SLOT, Ring, pack_ticks
from fournil._native.sys.atomics cimport publish
from fournil._native.sys.ticks cimport ticks_choose, ticks_now
from fournil._native.table cimport lookup
from fournil._native.task_callbacks cimport is_cancelled, is_done, task_of

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    void *PyThreadState_Get()

cdef extern from "<unistd.h>" nogil:
    int gettid()

cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil

cdef object CoroutineType = types.CoroutineType

ticks_choose()


cdef class LoopRecord:
    """The recorder's side of one loop."""

    def __cinit__(self, Ring ring):
        cdef uint32_t tid = gettid()
        self.ring = ring
        self.script_slot = -1
        self.slot = ring.open_thread()
        if self.slot < 0:
            return
        self.thread = &ring.threads[self.slot]
        ring.last_loop += 1
        self.thread.number = ring.last_loop
        for thread in threading.enumerate():
            if thread.native_id == tid:
                self.thread.name = ring.intern(thread.name)
        self.thread.state = THREAD_LOOP

    def __dealloc__(self):
        self.close()

    cdef void close(self) noexcept:
        """Give the slot back; the loop is closed or gone."""
        if self.thread != NULL and self.thread.state == THREAD_LOOP:
            self.ring.close_thread(self.slot)
            self.thread = NULL

    cdef int begin_run(self) except -1:
        """The loop begins to run turns, in the thread that calls."""
        cdef uint64_t now = ticks_now()
        self.polled = now
        self.ended = now
        if self.thread == NULL:
            return 0
        self.thread.native_id = gettid()
        self.thread.running_since = now
        self.ring.states[self.slot] = PyThreadState_Get()
        self.script_slot = self.ring.script_slot
        if self.script_slot >= 0:
            if self.ring.threads[self.script_slot].native_id == self.thread.native_id:
                self.ring.threads[self.script_slot].begin = 0
            else:
                self.script_slot = -1
        return 0

    cdef void end_run(self) noexcept:
        """The loop stopped, or the recording did."""
        cdef uint64_t now = ticks_now()
        if self.thread == NULL:
            return
        publish(&self.thread.begin, 0)
        self.thread.ran += now - self.thread.running_since
        self.thread.running_since = 0
        self.thread.waiting_since = 0
        self.ring.states[self.slot] = NULL
        if self.script_slot >= 0:
            publish(&self.ring.threads[self.script_slot].begin, now)

    cdef void begin_wait(self, uint64_t now) noexcept:
        """The loop is about to look at the kernel: one turn has ended."""
        cdef uint64_t turn = now - self.polled
        cdef int exponent
        cdef uint64_t bucket
        if self.thread == NULL:
            return
        if turn < 8:
            bucket = turn
        else:
            exponent = 60 - __builtin_clzll(turn)
            bucket = (exponent + 1) * 8 + ((turn >> exponent) & 7)
            if bucket >= TURN_BUCKETS:
                bucket = TURN_BUCKETS - 1
        self.thread.turns[bucket] += 1
        if turn > self.thread.longest_turn:
            self.thread.longest_turn = turn
        self.thread.waiting_since = now

    cdef void end_wait(self, uint64_t began, uint64_t now, int events, bint waited) noexcept:
        """The loop has looked; `waited` says whether it was ready to wait."""
        cdef Event *event
        self.polled = now
        if self.thread == NULL:
            return
        self.thread.waiting_since = 0
        self.thread.polls += 1
        if waited:
            self.thread.idle += now - began
            event = &self.ring.events[self.ring.header.events_head & self.ring.events_mask]
            event.begin = began
            event.duration = pack_ticks(now - began)
            event.delay = 0
            event.subject = 0
            event.waker = 0
            event.thread = self.slot
            event.kind = KIND_WAIT
            event.flags = 0
            event.extra = events
            publish(&self.ring.header.events_head, self.ring.header.events_head + 1)

    cdef void begin_steps(self, uint64_t now) noexcept:
        """The turn's steps begin."""
        self.ended = now

    cdef int begin_step(self, Handle handle, PyObject *callback) except -1:
        """A handle is about to run."""
        # Within a turn, one step begins when the one before it ended: one reading serves both.
        cdef uint64_t now = self.ended
        cdef PyObject *task
        cdef int64_t place
        cdef uint32_t site
        if self.thread == NULL:
            return 0
        self.began = now
        self.delay = now - handle.ready_at if 0 < handle.ready_at < now else 0
        self.waker = handle.waker
        handle.waker = 0
        self.task_slot = NULL
        self.site = NULL
        task = task_of(callback)
        self.task = task
        if task != NULL:
            self.kind = KIND_TASK
            place = lookup(self.ring.tasks_by_address, task)
            if place < 0:
                # Not made by `loop.create_task`, or before the recording began.
                place = self.born(<object> task, None, self.waker, now)
            if place < NO_SLOT:
                self.task_slot = &self.ring.tasks[place]
                self.subject = self.task_slot.id
                if self.task_slot.steps == 0:
                    self.name_task(self.task_slot, <object> task)
            else:
                site = <uint32_t> (place - NO_SLOT)
                self.site = &self.ring.sites[site]
                self.subject = SITE_BIT | site
        else:
            self.kind = handle.kind
            site = self.ring.site_of_callback(callback)
            self.site = &self.ring.sites[site]
            self.subject = SITE_BIT | site
        self.thread.subject = self.subject
        self.thread.kind = self.kind
        publish(&self.thread.begin, now)
        return 0

    cdef int end_step(self) except -1:
        """The step has ended."""
        cdef uint64_t now = ticks_now()
        cdef uint64_t duration = now - self.began
        cdef Ring ring = self.ring
        cdef Event *event
        cdef Sample *sample
        cdef Task *task
        cdef Site *site
        if self.thread == NULL:
            return 0
        self.ended = now
        event = &ring.events[ring.header.events_head & ring.events_mask]
        event.begin = self.began
        event.duration = pack_ticks(duration)
        event.delay = pack_ticks(self.delay)
        event.subject = self.subject
        event.waker = self.waker
        event.thread = self.slot
        event.kind = self.kind
        event.flags = 0
        event.extra = 0
        self.thread.steps += 1
        self.thread.busy += duration
        if duration > self.thread.longest:
            self.thread.longest = duration
        task = self.task_slot
        if task != NULL:
            if task.steps == 0:
                event.flags = FLAG_FIRST
            task.steps += 1
            task.busy += duration
            task.delay += self.delay
            if duration > task.longest:
                task.longest = duration
        else:
            site = self.site
            site.steps += 1
            site.busy += duration
            site.delay += self.delay
            if duration > site.longest:
                site.longest = duration
        publish(&ring.header.events_head, ring.header.events_head + 1)
        if duration >= ring.threshold_ticks:
            self.thread.blocked += 1
            sample = ring.next_sample()
            sample.at = now
            sample.since = self.began
            sample.begin = self.began
            sample.subject = self.subject
            sample.thread = self.slot
            sample.step_kind = self.kind
            sample.delay = self.delay
            sample.kind = SAMPLE_BLOCKED
        if self.task != NULL and is_done(self.task):
            self.task_ended(self.task, now)
        self.subject = 0
        return 0

    cdef void end_steps(self) noexcept:
        """The turn has no more steps."""
        if self.thread != NULL:
            publish(&self.thread.begin, 0)

    cdef int task_ended(self, PyObject *done, uint64_t now) except -1:
        cdef Ring ring = self.ring
        cdef int64_t place = lookup(ring.tasks_by_address, done)
        cdef Task *slot
        cdef Event *event
        task = <object> done
        ring.tasks_by_address.remove(done)
        if place >= NO_SLOT:
            ring.sites[place - NO_SLOT].ended += 1
            return 0
        slot = &ring.tasks[place]
        if is_cancelled(done):
            slot.state = TASK_CANCELLED
        elif task._exception is not None:
            slot.state = TASK_RAISED
        else:
            slot.state = TASK_FINISHED
        slot.ended = now
        event = &ring.events[ring.header.events_head & ring.events_mask]
        event.begin = now
        event.duration = pack_ticks(slot.busy)
        event.delay = pack_ticks(slot.delay)
        event.subject = slot.id
        event.waker = 0
        event.thread = self.slot
        event.kind = KIND_ENDED
        event.flags = slot.state
        event.extra = slot.site
        publish(&ring.header.events_head, ring.header.events_head + 1)
        ring.file_under_site(slot)
        ring.release_task_slot(<uint32_t> (slot - ring.tasks))
        return 0

    cdef int name_task(self, Task *slot, object task) except -1:
        # asyncio.create_task names a task after making it, so the first step is the time to look.
        cdef Py_ssize_t length, i
        cdef const char *name
        cdef uint32_t number = 0
        shown = task.get_name()
        try:
            name = PyUnicode_AsUTF8AndSize(shown, &length)
        except UnicodeEncodeError:  # a lone surrogate
            return 0
        if 6 <= length <= 14 and memcmp(name, b"Task-", 5) == 0:
            for i in range(5, length):
                if not c"0" <= name[i] <= c"9":
                    break
                number = number * 10 + (name[i] - c"0")
            else:
                slot.number = number
                return 0
        slot.name = self.ring.write_text(name, length)
        return 0

    cdef int created(self, object task, object coroutine) except -1:
        """The loop made a task, in the step that runs now."""
        cdef uint64_t now
        cdef int64_t place
        if self.thread == NULL:
            return 0
        now = ticks_now()
        place = self.born(task, coroutine, self.subject, now)
        # An eager task may have ended already; its time is part of the step that made it.
        if is_done(<PyObject *> task):
            if place < NO_SLOT:
                self.name_task(&self.ring.tasks[place], task)
            self.task_ended(<PyObject *> task, now)
        return 0

    cdef int64_t born(self, object task, object coroutine, uint32_t parent, uint64_t now) except -2:
        """Give a task its slot and return it; when there is none, NO_SLOT and its site."""
        cdef Ring ring = self.ring
        cdef uint32_t site = ring.site_of(code_of(task, coroutine))
        cdef int64_t stale = lookup(ring.tasks_by_address, <void *> task)
        cdef int place
        cdef Task *slot
        cdef Event *event
        if stale >= 0:
            # Another task lived at this address and was collected before its end.
            ring.forget_task(<void *> task, now)
        ring.header.tasks_born += 1
        ring.sites[site].tasks += 1
        place = ring.take_task_slot()
        if place < 0:
            ring.tasks_by_address.put(<void *> task, NO_SLOT + <int64_t> site)
            return NO_SLOT + <int64_t> site
        slot = &ring.tasks[place]
        ring.last_task_id = (ring.last_task_id + 1) & ~<uint32_t> SITE_BIT or 1
        slot.id = ring.last_task_id
        slot.parent = parent
        slot.site = site
        slot.name = slot.number = 0
        slot.state = TASK_PENDING
        slot.thread = self.slot
        slot.born = now
        slot.ended = slot.steps = slot.busy = slot.delay = slot.longest = 0
        ring.tasks_by_address.put(<void *> task, place)
        event = &ring.events[ring.header.events_head & ring.events_mask]
        event.begin = now
        event.duration = event.delay = 0
        event.subject = slot.id
        event.waker = parent
        event.thread = self.slot
        event.kind = KIND_BORN
        event.flags = 0
        event.extra = site
        publish(&ring.header.events_head, ring.header.events_head + 1)
        return place


cdef object code_of(object task, object coroutine):
    """Return the code object of a task's coroutine, or what else names it."""
    if coroutine is None:
        coroutine = task.get_coro()
    if type(coroutine) is CoroutineType:
        return coroutine.cr_code
    for name in ("cr_code", "gi_code", "ag_code"):
        code = getattr(coroutine, name, None)
        if code is not None:
            return code
    return coroutine
