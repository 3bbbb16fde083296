from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from fournil._native.handles cimport Handle
from fournil._native.sys.collector cimport Visit


cdef class ReadyQueue:
    # A ring of strong references; touched only by threads that hold the GIL.
    cdef PyObject **slots
    cdef size_t capacity                # a power of two
    cdef size_t head
    cdef size_t count

    cdef int grow(self) except -1
    cdef void empty(self) noexcept
    cdef int show(self, Visit visit, void *argument) noexcept


cdef inline int push(ReadyQueue queue, Handle handle) except -1:
    if queue.count == queue.capacity:
        queue.grow()
    Py_INCREF(handle)
    queue.slots[(queue.head + queue.count) & (queue.capacity - 1)] = <PyObject *> handle
    queue.count += 1
    return 0


cdef inline PyObject *pop(ReadyQueue queue) noexcept:
    """Take out the oldest handle; its reference passes to the caller. `count` must not be 0."""
    cdef PyObject *handle = queue.slots[queue.head]
    queue.head = (queue.head + 1) & (queue.capacity - 1)
    queue.count -= 1
    return handle
