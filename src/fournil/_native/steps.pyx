"""What the recorder does for each step of a loop: whose step it is, its event, its totals.

Nothing here raises, nor runs code of the program: a step runs as it would unrecorded.
"""

cimport cython
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from fournil._native.cpu_marks cimport cpu_of_step
from fournil._native.handles cimport Handle
from fournil._native.layout cimport (
    FLAG_FIRST,
    KIND_BORN,
    KIND_ENDED,
    KIND_TASK,
    KIND_WAIT,
    NAME_BIT,
    SAMPLE_BLOCKED,
    SAMPLE_GIL_WAIT,
    SITE_BIT,
    TASK_CANCELLED,
    TASK_FINISHED,
    TASK_PENDING,
    TASK_RAISED,
    THREAD_LOOP,
    TURN_BUCKETS,
    Event,
    Sample,
    Task,
)
from fournil._native.names cimport field
from fournil._native.ring cimport NO_SLOT, Ring, next_number, pack_ticks
from fournil._native.sys.atomics cimport begin_slot, end_slot, publish, retract
from fournil._native.sys.ticks cimport ticks_choose, ticks_now
from fournil._native.table cimport lookup
from fournil._native.task_callbacks cimport (
    coroutine_of,
    has_raised,
    is_cancelled,
    is_done,
    is_task,
    name_of_task,
    task_of,
)
from fournil._native.thread_names cimport name_holder, thread_name
from fournil._native.threads cimport close_thread, open_thread

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *)
    void *PyThreadState_Get()

cdef extern from "<unistd.h>" nogil:
    int gettid()

cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil

ticks_choose()


cdef inline void write_event(
    LoopRecord record,
    uint64_t begin,
    uint32_t duration,
    uint32_t delay,
    uint32_t subject,
    uint32_t waker,
    uint8_t kind,
    uint8_t flags,
    uint32_t extra,
) noexcept:
    """Write one entry of the events' ring; see layout.EVENT."""
    cdef uint64_t number = record.header.events_head
    cdef Event *event = &record.ring.events[number & record.ring.events_mask]
    event.begin = begin
    event.duration = duration
    event.delay = delay
    event.subject = subject
    event.waker = waker
    event.thread = record.slot
    event.kind = kind
    event.flags = flags
    event.extra = extra
    publish(&record.header.events_head, number + 1)


cdef LoopRecord new_record(Ring ring):
    """Return the record of a loop that this thread runs; None: there is no memory for it."""
    try:
        return LoopRecord(ring)
    except MemoryError:
        return None


# Its end writes into the ring, which a collection of garbage must not take from it before.
@cython.no_gc_clear
cdef class LoopRecord:
    """The recorder's side of one loop."""

    def __cinit__(self, Ring ring not None):
        self.ring = ring
        self.script_slot = -1
        self.returned = &self.returned_without_slot
        self.slot = open_thread(ring, THREAD_LOOP, ring.last_loop + 1, thread_name())
        if self.slot < 0:
            return
        ring.last_loop += 1
        self.header = ring.header
        self.thread = &ring.threads[self.slot]
        self.loop = &ring.loops[self.slot]
        self.returned = &self.thread.returned

    def __dealloc__(self):
        self.close()

    cdef void close(self) noexcept:
        """Give the slot back; the loop is closed or gone."""
        if self.thread != NULL and self.thread.state == THREAD_LOOP:
            close_thread(self.ring, self.slot)
            self.thread = NULL

    cdef void begin_run(self) noexcept:
        """The loop begins to run turns, in the thread that calls."""
        cdef uint64_t now = ticks_now()
        self.polled = now
        self.ended = now
        if self.thread == NULL:
            return
        self.thread.native_id = gettid()
        self.loop.running_since = now
        self.ring.states[self.slot] = PyThreadState_Get()
        self.script_slot = self.ring.script_slot
        if self.script_slot >= 0:
            if self.ring.threads[self.script_slot].native_id == self.thread.native_id:
                self.ring.threads[self.script_slot].begin = 0
            else:
                self.script_slot = -1

    cdef void end_run(self) noexcept:
        """The loop stopped, or the recording did."""
        cdef uint64_t now = ticks_now()
        if self.thread == NULL:
            return
        publish(&self.thread.begin, 0)
        self.count_turn(now - self.polled)
        self.loop.ran += now - self.loop.running_since
        self.loop.running_since = 0
        self.thread.waiting_since = 0
        self.ring.states[self.slot] = NULL
        if self.script_slot >= 0:
            publish(&self.ring.threads[self.script_slot].begin, now)

    cdef void begin_wait(self, uint64_t now) noexcept:
        """The loop is about to look at the kernel: one turn has ended."""
        if self.thread == NULL:
            return
        if self.subject and self.step.begin:
            # A step runs its own loop: others run meanwhile, so that it keeps nobody waiting.
            self.end_part(now)
            publish(&self.thread.begin, 0)
        self.count_turn(now - self.polled)
        self.thread.waiting_since = now

    cdef void count_turn(self, uint64_t turn) noexcept:
        cdef int exponent
        cdef uint64_t bucket
        if turn < 8:
            bucket = turn
        else:
            exponent = 60 - __builtin_clzll(turn)
            bucket = (exponent + 1) * 8 + ((turn >> exponent) & 7)
            if bucket >= TURN_BUCKETS:
                bucket = TURN_BUCKETS - 1
        self.loop.turns[bucket] += 1
        if turn > self.loop.longest_turn:
            self.loop.longest_turn = turn

    cdef void end_wait(self, uint64_t began, uint64_t now, int events, bint waited) noexcept:
        """The loop has looked.

        Args:
            began: the tick before.
            now: the tick now, when the thread has the GIL again.
            events: how many descriptors were reported.
            waited: whether the loop was ready to wait.
        """
        # A look that does not wait keeps the GIL.
        cdef uint64_t returned = self.returned[0] if self.returned[0] > began else now
        cdef uint64_t gil_wait = now - returned
        self.polled = returned
        if self.thread == NULL:
            return
        self.thread.waiting_since = 0
        self.loop.polls += 1
        if waited:
            self.loop.idle += returned - began
            self.loop.gil_waited += gil_wait
            if gil_wait > self.loop.gil_longest:
                self.loop.gil_longest = gil_wait
            if gil_wait >= self.ring.threshold_ticks:
                self.waited_for_gil(returned, now)
            write_event(
                self, began, pack_ticks(now - began), pack_ticks(gil_wait), 0, 0, KIND_WAIT, 0,
                events,
            )

    cdef void begin_steps(self, uint64_t now) noexcept:
        """The turn's steps begin."""
        self.ended = now

    cdef void begin_step(self, Running *running, Handle handle, PyObject *callback) noexcept:
        """A handle is about to run; its loop keeps `callback` until the step has ended."""
        # Within a turn, one step begins when the one before it ended: one reading serves both.
        cdef uint64_t now = self.ended
        cdef Step *step = &self.step
        cdef int64_t place
        cdef uint32_t site
        running.outer.subject = self.subject
        if self.thread == NULL:
            return
        if self.subject:
            if step.begin:
                self.end_part(now)
            running.outer = step[0]
        step.begin = now
        step.delay = now - handle.ready_at if 0 < handle.ready_at < now else 0
        step.waker = handle.waker
        handle.waker = 0
        step.handle = <PyObject *> handle
        step.slot = NULL
        step.is_first = False
        running.task = task_of(callback)
        if running.task != NULL:
            step.kind = KIND_TASK
            place = lookup(self.ring.tasks_by_address, running.task)
            if place < 0:
                # Not made by `loop.create_task`, or before the recording began. Whoever made it
                # runnable has made it, where it has not run before.
                place = self.born(
                    <object> running.task, None,
                    0 if has_run(<object> running.task) else step.waker, now,
                )
            if place < NO_SLOT:
                step.slot = &self.ring.tasks[place]
                site = self.ring.site_of_slot(step.slot)
                self.subject = step.slot.id
                if step.slot.steps == 0:
                    step.is_first = True
                    self.name_task(step.slot, <object> running.task)
            else:
                site = <uint32_t> (place - NO_SLOT)
                self.subject = SITE_BIT | site
        else:
            step.kind = handle.kind
            site = self.ring.site_of_callback(callback)
            self.subject = SITE_BIT | site
        step.site = &self.ring.sites[site]
        step.subject = self.subject
        retract(&self.thread.begin)
        self.thread.subject = self.subject
        self.thread.kind = step.kind
        publish(&self.thread.begin, now)

    cdef void end_step(self, Running *running) noexcept:
        """The step has ended."""
        cdef uint64_t now = ticks_now()
        if self.thread == NULL:
            self.subject = running.outer.subject
            return
        self.ended = now
        if self.step.begin == 0:
            # A turn inside it ran nothing, and was the last.
            self.step.begin = self.polled
        self.loop.steps += 1
        self.step.site.steps += 1
        if self.step.slot != NULL:
            self.step.slot.steps += 1
        self.end_part(now)
        self.subject = running.outer.subject
        if self.subject:
            self.step = running.outer
        if running.task != NULL and is_done(running.task):
            self.task_ended(running.task, now)

    cdef void end_part(self, uint64_t now) noexcept:
        """Write down what ran of the step since it began, or went on."""
        cdef Step *step = &self.step
        cdef uint64_t duration = now - step.begin
        cdef uint32_t packed = pack_ticks(duration)
        cdef Sample *sample
        self.loop.busy += duration
        if duration > self.loop.longest:
            self.loop.longest = duration
        step.site.busy += duration
        step.site.delay += step.delay
        if duration > step.site.longest:
            step.site.longest = duration
        if step.slot != NULL:
            step.slot.busy += duration
            step.slot.delay += step.delay
            step.slot.last = now
            # Packed durations are in the order of what they stand for.
            if packed > step.slot.longest:
                step.slot.longest = packed
        write_event(
            self, step.begin, packed, pack_ticks(step.delay), step.subject, step.waker, step.kind,
            FLAG_FIRST if step.is_first else 0, 0,
        )
        if duration >= self.ring.threshold_ticks:
            self.loop.blocked += 1
            sample = self.ring.next_sample()
            sample.at = now
            sample.since = step.begin
            sample.begin = step.begin
            sample.subject = step.subject
            sample.thread = self.slot
            sample.step_kind = step.kind
            sample.delay = step.delay
            sample.extra = <uint32_t> (step.site - self.ring.sites)
            sample.number = cpu_of_step(
                &self.ring.cpu_marks[self.slot], step.begin, now, self.loop.busy
            )
            sample.kind = SAMPLE_BLOCKED
            name_holder(self.ring, self.slot)
        step.begin = step.delay = 0
        step.waker = 0
        step.is_first = False

    cdef void waited_for_gil(self, uint64_t since, uint64_t now) noexcept:
        """Write down that the loop waited for the GIL for as long as for a blocked step."""
        cdef Sample *sample = self.ring.next_sample()
        sample.at = now
        sample.since = since
        sample.begin = since
        sample.thread = self.slot
        sample.kind = SAMPLE_GIL_WAIT
        name_holder(self.ring, self.slot)

    cdef void end_steps(self) noexcept:
        """The turn has no more steps."""
        if self.thread == NULL:
            return
        if self.subject == 0:
            publish(&self.thread.begin, 0)
        elif self.step.begin == 0:
            # A turn inside a step: that one goes on.
            self.step.begin = self.ended
            self.thread.subject = self.subject
            self.thread.kind = self.step.kind
            publish(&self.thread.begin, self.ended)

    cdef void task_ended(self, PyObject *task, uint64_t now) noexcept:
        cdef Ring ring = self.ring
        cdef int64_t place = lookup(ring.tasks_by_address, task)
        cdef Task *slot
        if place < 0:
            return  # in a step inside this one
        ring.tasks_by_address.remove(task)
        if place >= NO_SLOT:
            ring.sites[place - NO_SLOT].ended += 1
            self.loop.pending -= 1
            return
        slot = &ring.tasks[place]
        if is_cancelled(task):
            slot.state = TASK_CANCELLED
        elif has_raised(<object> task):
            slot.state = TASK_RAISED
        else:
            slot.state = TASK_FINISHED
        slot.last = now
        write_event(
            self, now, pack_ticks(slot.busy), pack_ticks(slot.delay), slot.id, 0, KIND_ENDED,
            slot.state, slot.site,
        )
        ring.leave_task_slot(slot)

    cdef void name_task(self, Task *slot, object task) noexcept:
        # asyncio.create_task names a task after making it, so the first step is the time to look.
        cdef Py_ssize_t length
        cdef const char *utf8
        cdef uint32_t number = 0
        slot.name = self.ring.unnamed
        try:
            name = name_of_task(task)
        except MemoryError:
            return
        if name is None:
            return
        utf8 = PyUnicode_AsUTF8AndSize(name, &length)
        if utf8 == NULL:
            PyErr_Clear()  # of a lone surrogate
        else:
            number = number_in(utf8, length)
        if number:
            slot.name = NAME_BIT | number
        else:
            slot.name = self.ring.write_string(name) or self.ring.unnamed

    cdef void created(self, object task, object coroutine) noexcept:
        """The loop made a task, in the step that runs now."""
        cdef uint64_t now
        cdef int64_t place
        # A factory of the program's may make anything.
        if self.thread == NULL or not is_task(<PyObject *> task):
            return
        now = ticks_now()
        place = self.born(task, coroutine, self.subject, now)
        # An eager task may have ended already; its time is part of the step that made it.
        if is_done(<PyObject *> task):
            if place < NO_SLOT:
                self.name_task(&self.ring.tasks[place], task)
            self.task_ended(<PyObject *> task, now)

    cdef int64_t born(
        self, object task, object coroutine, uint32_t parent, uint64_t now
    ) noexcept:
        """Give a task its slot and return it; when there is none, NO_SLOT and its site."""
        cdef Ring ring = self.ring
        cdef uint32_t site = 0
        cdef int64_t stale = lookup(ring.tasks_by_address, <void *> task)
        cdef int place
        cdef Task *slot
        if stale >= 0:
            # Another task lived at this address and was collected before its end.
            ring.forget_task(<void *> task, now)
        place = ring.take_task_slot()
        try:
            site = ring.site_of(coroutine_of(task) if coroutine is None else coroutine)
            ring.tasks_by_address.put(
                <void *> task, place if place >= 0 else NO_SLOT + <int64_t> site
            )
        except MemoryError:
            if place >= 0:
                ring.release_task_slot(place)
            return NO_SLOT + <int64_t> site
        ring.header.tasks_born += 1
        ring.sites[site].tasks += 1
        self.loop.pending += 1
        if place < 0:
            return NO_SLOT + <int64_t> site
        slot = &ring.tasks[place]
        ring.last_task_id = next_number(ring.last_task_id)
        begin_slot(&slot.id)
        slot.site = site
        slot.parent = parent
        slot.name = slot.longest = 0
        slot.state = TASK_PENDING
        slot.thread = self.slot
        slot.steps = slot.busy = slot.delay = slot.last = 0
        slot.born = now
        end_slot(&slot.id, ring.last_task_id)
        write_event(self, now, 0, place, slot.id, parent, KIND_BORN, 0, site)
        return place


cdef bint has_run(object task):
    """Tell whether a task whose step begins has had one before."""
    coroutine = coroutine_of(task)
    return (field(coroutine, "cr_suspended") or field(coroutine, "gi_suspended")) is True


cdef uint32_t number_in(const char *name, Py_ssize_t length) noexcept:
    """Return the number of a name that asyncio gave, as `Task-7`; 0: it is another name."""
    cdef Py_ssize_t i
    cdef uint64_t number = 0
    if not 6 <= length <= 14 or memcmp(name, b"Task-", 5) != 0:
        return 0
    for i in range(5, length):
        if not c"0" <= name[i] <= c"9":
            return 0
        number = number * 10 + (name[i] - c"0")
    return <uint32_t> number if number < NAME_BIT else 0
