"""The ring: what a recording knows of code, tasks and threads, and the slots that they have."""

import os

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.type cimport PyType_Check
from libc.string cimport memcpy, memset

from fournil.record import layout as record_layout

from fournil._native.layout cimport (
    MAX_LOOPS,
    SITE_CALLBACK,
    SITE_COROUTINE,
    TASK_DESTROYED,
    Sample,
    Site,
    Task,
)
from fournil._native.mapped cimport MappedRecording
from fournil._native.names cimport code_of_callable, code_of_coroutine, name_of, plain
from fournil._native.sys.atomics cimport publish, take_number
from fournil._native.sys.map_guard cimport (
    map_guard_add,
    map_guard_count_forks,
    map_guard_is_lost,
    map_guard_look,
    map_guard_remove,
)
from fournil._native.sys.ticks cimport ticks_choose, ticks_now
from fournil._native.table cimport PointerTable, lookup
from fournil._native.task_callbacks cimport coroutine_of, is_task

cdef extern from "Python.h":
    int PyCFunction_Check(PyObject *)
    int PyCFunction_CheckExact(PyObject *)
    int PyCode_Check(PyObject *)
    ctypedef struct PyCFunctionObject:
        void *m_ml


ticks_choose()

current_ring = NULL
# What keeps it: the signal's handler that takes a lost ring away (sys/map_guard.h) has no GIL.
cdef Ring kept_ring = None


def detach():
    """Have no ring recorded into; loops let go of theirs at their next turn."""
    global current_ring, kept_ring
    current_ring = NULL
    kept_ring = None


# A forked child has its parent's ring, emptied (see sys/map_guard.h), and may begin its own.
os.register_at_fork(after_in_child=detach)


def recording_path():
    """Return the path of the ring that is recorded into, or None."""
    return None if current_ring == NULL else (<Ring> current_ring).path


# What it keeps may lead back to it, by way of a class that has a loop. The class breaks that
# circle: the loop's record still writes into the ring when it goes.
@cython.no_gc_clear
cdef class Ring(MappedRecording):
    """A recording being written.

    Args:
        fd: the file, empty and open for reading and writing; it need not stay open.
        path: what the file is called.
        size: of the file, bytes.
        threshold_ns: how long a step must run to count as blocked.
        switch_interval_ns: `sys.getswitchinterval()`.
        program: the number of the program that this process belongs to.
        parent: the number of the process that started this one.
        meta: a JSON object that says what is recorded.
    """

    def __cinit__(self, *args):
        self.script_slot = -1
        self.sites_by_code = PointerTable()
        self.tasks_by_address = PointerTable()
        self.kept = []
        self.sites_by_place = {}
        self.ended_tasks = <uint32_t *> PyMem_Calloc(self.tasks_count, sizeof(uint32_t))
        if self.ended_tasks == NULL:
            raise MemoryError
        self.header.sites_used = 1  # site 0 is for code that finds no slot
        self.sites[0].function = self.intern("(code not recorded one by one)")
        self.unnamed = self.intern("?")
        self.guard = map_guard_add(
            self.header, self.size, <void *> self, <void **> <void *> &current_ring
        )
        if self.guard < 0:
            raise RuntimeError(
                "too many recordings have ended whose loops were neither closed nor run since;"
                " close these loops first"
            )

    def __dealloc__(self):
        if self.guard >= 0:
            map_guard_remove(self.guard, <void *> self)
        PyMem_Free(self.ended_tasks)

    def begin(self):
        """Make this the ring that loops record into, in place of any other."""
        global current_ring, kept_ring
        # Only now, so that a reader never takes a half-made file for a recording, nor one of
        # a program that did not begin.
        memcpy(self.header.magic, <const char *> record_layout.MAGIC, 8)
        map_guard_count_forks(self.guard, <unsigned long long *> &self.header.forks)
        kept_ring = self
        current_ring = <PyObject *> self

    def end(self):
        """Stop recording; loops that run let go of the ring at their next turn."""
        if kept_ring is not self:
            return
        detach()
        map_guard_count_forks(self.guard, NULL)
        self.renew_clock()
        publish(&self.header.ended_ticks, ticks_now())

    @property
    def lost(self):
        """Whether the file was cut short, or had no room; nothing is recorded since."""
        return map_guard_is_lost(self.guard)

    cdef void look(self) noexcept nogil:
        """See whether the file is whole; called by the threads of the watch."""
        map_guard_look(self.guard)

    def note_never_awaited(self, coroutine, str file=None, uint32_t line=0):
        """Count a coroutine that was collected without having run.

        Args:
            coroutine: the coroutine, or whatever a program says is one.
            file, line: where that was, if it counts there and not where its code is.
        """
        if file is None:
            self.sites[self.site_of(coroutine)].never_awaited += 1
        else:
            name = name_of(code_of_coroutine(coroutine))
            self.sites[self.site_at(name, plain(file), line)].never_awaited += 1

    cdef uint32_t site_at(self, str name, str file, uint32_t line) except? 0:
        """Return the site of code by a place where it is used."""
        cdef uint32_t index
        cdef Site *site
        known = self.sites_by_place.get((name, file, line))
        if known is not None:
            return known
        if self.header.sites_used >= self.sites_count:
            self.header.sites_dropped += 1
            return 0
        index = <uint32_t> self.header.sites_used
        site = &self.sites[index]
        site.function = self.intern(name)
        site.file = self.intern(file)
        site.line = line
        site.flags = SITE_COROUTINE
        self.sites_by_place[name, file, line] = index
        self.header.sites_used = index + 1
        return index

    def note_other_loop(self):
        """Note that a loop ran of which nothing is recorded."""
        self.header.other_loops = 1

    # Samples.

    cdef Sample *next_sample(self) noexcept nogil:
        """Return an emptied place in the samples' ring. Needs no GIL."""
        cdef uint64_t number = take_number(&self.header.samples_head, 1)
        cdef Sample *sample = &self.samples[number & self.samples_mask]
        memset(sample, 0, sizeof(Sample))
        return sample

    # Sites: pieces of code.

    cdef uint32_t site_of(self, object coroutine) noexcept:
        """Return the site of what a task runs."""
        cdef long long known
        code = code_of_coroutine(coroutine)
        known = lookup(self.sites_by_code, <void *> code)
        if known >= 0:
            return <uint32_t> known
        return self.new_site(<void *> code, code, SITE_COROUTINE)

    cdef uint32_t site_of_other(self, PyObject *function) noexcept:
        """Return the site of a callable that is no method, or that is new."""
        cdef void *key
        cdef object code = None
        cdef long long known
        if PyFunction_Check(function):
            key = PyFunction_GET_CODE(function)
        elif PyCFunction_CheckExact(function):
            key = (<PyCFunctionObject *> function).m_ml
        elif PyType_Check(<object> function):
            key = function
        else:
            code = code_of_callable(<object> function)
            key = <void *> code
            if PyCFunction_Check(<PyObject *> code):
                key = (<PyCFunctionObject *> <PyObject *> code).m_ml
        known = lookup(self.sites_by_code, key)
        if known >= 0:
            return <uint32_t> known
        if code is None:
            code = code_of_callable(<object> function)
        return self.new_site(key, code, SITE_CALLBACK)

    cdef uint32_t new_site(self, void *key, object code, uint32_t flags) noexcept:
        cdef uint32_t index
        cdef Site *site
        if self.header.sites_used >= self.sites_count:
            self.header.sites_dropped += 1
            return 0
        index = <uint32_t> self.header.sites_used
        site = &self.sites[index]
        try:
            # Kept, so that its address is no other's. A builtin's key is not its own address, and
            # it would keep what it is bound to.
            if not PyCFunction_Check(<PyObject *> code):
                self.kept.append(code)
            self.sites_by_code.put(key, index)
            site.function = self.intern(name_of(code))
            if PyCode_Check(<PyObject *> code):
                site.file = self.intern(plain(code.co_filename))
                site.line = <uint32_t> <int> code.co_firstlineno
        except Exception:  # no memory
            self.sites_by_code.remove(key)
            return 0
        site.flags = flags
        self.header.sites_used = index + 1
        return index

    # Slots.

    cdef void forget_task(self, void *task, uint64_t now) noexcept:
        """A task that is known was, or is being, collected before its end."""
        cdef long long place = lookup(self.tasks_by_address, task)
        cdef Task *slot
        self.tasks_by_address.remove(task)
        if place >= NO_SLOT:
            self.sites[place - NO_SLOT].ended += 1
            return
        slot = &self.tasks[place]
        slot.last = now
        slot.state = TASK_DESTROYED
        self.leave_task_slot(slot)

    cdef int take_task_slot(self) except -2:
        """Return a slot for a new task; -1 when all are taken by pending ones."""
        cdef uint32_t slot
        if self.header.tasks_used < self.tasks_count:
            self.header.tasks_used += 1
            return <int> self.header.tasks_used - 1
        if self.ended_count == 0:
            self.header.tasks_dropped += 1
            return -1
        slot = self.ended_tasks[self.ended_head % self.tasks_count]
        self.ended_head += 1
        self.ended_count -= 1
        self.header.tasks_recycled += 1
        return <int> slot

    cdef void leave_task_slot(self, Task *slot) noexcept:
        """Count a task that has ended, and let go of its slot."""
        self.sites[self.site_of_slot(slot)].ended += 1
        # The slot of the loop that made it may be another's by now.
        if slot.thread < MAX_LOOPS and slot.born >= self.threads[slot.thread].opened:
            self.loops[slot.thread].pending -= 1
        self.release_task_slot(<uint32_t> (slot - self.tasks))

    cdef void release_task_slot(self, uint32_t slot) noexcept:
        """Let the slot of an ended task be used again, after all that ended before it."""
        self.ended_tasks[(self.ended_head + self.ended_count) % self.tasks_count] = slot
        self.ended_count += 1


cdef uint32_t next_number(uint32_t last) noexcept nogil:
    """Return the number after one; 0 is none, and the top bit is no part of it."""
    return (last + 1) & 0x7FFFFFFF or 1


cdef void note_listening() noexcept:
    """Note that a server listens, if it is the first."""
    if current_ring != NULL and (<Ring> current_ring).header.listening_ticks == 0:
        (<Ring> current_ring).header.listening_ticks = ticks_now()


cdef void note_accepted() noexcept:
    """Note that a server has accepted a connection, if it is the first."""
    if current_ring != NULL and (<Ring> current_ring).header.accepted_ticks == 0:
        (<Ring> current_ring).header.accepted_ticks = ticks_now()


def note_problem(context):
    """Note what a loop's exception handler is told, where it is about a task that was let down."""
    cdef Ring ring
    cdef uint32_t site = 0
    # Whoever calls a loop's `call_exception_handler` may hand it anything.
    if current_ring == NULL or type(context) is not dict:
        return
    ring = <Ring> current_ring
    message = context.get("message")
    if type(message) is not str:
        return
    if message == "Task was destroyed but it is pending!":
        task = context.get("task")
        if lookup(ring.tasks_by_address, <void *> task) >= 0:
            ring.forget_task(<void *> task, ticks_now())
    elif message.endswith("exception was never retrieved"):
        future = context.get("future")
        if is_task(<PyObject *> future):
            site = ring.site_of(coroutine_of(future))
        ring.sites[site].never_retrieved += 1
