"""Timers: a heap that knows where each handle stands, so that a cancelled one leaves at once.

Most timers are time-outs: set, and cancelled before they fire. A heap that keeps
cancelled entries until they come up holds their callbacks, and what those hold, for the
whole time-out. Here each handle knows its place: the latest deadline, which a new
time-out usually is, is added and removed at the end of the heap in constant time.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.math cimport INFINITY

from fournil._native.handles cimport TimerHandle
from fournil._native.sys.collector cimport Visit

# With four children a node the heap is half as deep, and the children share a cache line or two.
cdef enum:
    WIDTH = 4


cdef inline bint earlier(Entry *a, Entry *b) noexcept:
    return a.when < b.when or (a.when == b.when and a.sequence < b.sequence)


cdef class Timers:
    """Timer handles by deadline; of one deadline, in the order in which they were set."""

    def __dealloc__(self):
        self.clear()
        PyMem_Free(self.entries)

    def __len__(self):
        return self.count

    cdef list listed(self):
        """Return the handles, the earliest first."""
        return sorted([<object> self.entries[i].handle for i in range(self.count)])

    cdef int add(self, TimerHandle handle) except -1:
        cdef Entry entry
        cdef Entry *entries
        cdef Py_ssize_t capacity
        if self.count == self.capacity:
            capacity = self.capacity * 2 or 64
            entries = <Entry *> PyMem_Realloc(self.entries, capacity * sizeof(Entry))
            if entries == NULL:
                raise MemoryError
            self.entries = entries
            self.capacity = capacity
        self.sequence += 1
        # Not a number is neither before nor after anything; asyncio runs such a timer at once.
        entry.when = handle.deadline if handle.deadline == handle.deadline else -INFINITY
        entry.sequence = self.sequence
        entry.handle = <PyObject *> handle
        Py_INCREF(handle)
        handle.timers = self
        self.count += 1
        self.rise(self.count - 1, entry)
        return 0

    cdef void remove(self, TimerHandle handle) noexcept:
        """Take out a handle that is in the heap."""
        cdef Py_ssize_t place = handle.place
        cdef Entry last
        self.count -= 1
        if place != self.count:
            last = self.entries[self.count]
            if place and earlier(&last, &self.entries[(place - 1) // WIDTH]):
                self.rise(place, last)
            else:
                self.sink(place, last)
        handle.timers = None
        Py_DECREF(handle)

    cdef TimerHandle pop(self):
        """Take out the first handle; `count` must not be 0."""
        cdef TimerHandle handle = <TimerHandle> self.entries[0].handle
        self.remove(handle)
        return handle

    cdef void clear(self) noexcept:
        while self.count:
            self.remove(<TimerHandle> self.entries[self.count - 1].handle)

    cdef int show(self, Visit visit, void *argument) noexcept:
        """Show the cyclic collector all handles."""
        cdef Py_ssize_t i
        cdef int status = 0
        for i in range(self.count):
            if status == 0:
                status = visit(self.entries[i].handle, argument)
        return status

    cdef void rise(self, Py_ssize_t place, Entry entry) noexcept:
        cdef Py_ssize_t above
        while place:
            above = (place - 1) // WIDTH
            if not earlier(&entry, &self.entries[above]):
                break
            self.entries[place] = self.entries[above]
            (<TimerHandle> self.entries[place].handle).place = place
            place = above
        self.entries[place] = entry
        (<TimerHandle> entry.handle).place = place

    cdef void sink(self, Py_ssize_t place, Entry entry) noexcept:
        cdef Py_ssize_t child, best, end
        while True:
            child = place * WIDTH + 1
            if child >= self.count:
                break
            best = child
            end = min(child + WIDTH, self.count)
            child += 1
            while child < end:
                if earlier(&self.entries[child], &self.entries[best]):
                    best = child
                child += 1
            if not earlier(&self.entries[best], &entry):
                break
            self.entries[place] = self.entries[best]
            (<TimerHandle> self.entries[place].handle).place = place
            place = best
        self.entries[place] = entry
        (<TimerHandle> entry.handle).place = place
