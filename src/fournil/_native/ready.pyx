"""The ready queue: handles that the next turn will run, in the order in which they became ready."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fournil._native.handles cimport adopted
from fournil._native.sys.collector cimport Visit


cdef class ReadyQueue:
    """A growing ring of handles; its functions are inline in the declaration file.

    Its methods for Python are those of the deque that asyncio's loop has: programs look into it,
    and such as run a loop by hand take handles from it and put others there.
    """

    def __cinit__(self):
        self.capacity = 256
        self.slots = <PyObject **> PyMem_Malloc(self.capacity * sizeof(PyObject *))
        if self.slots == NULL:
            raise MemoryError

    def __dealloc__(self):
        self.empty()
        PyMem_Free(self.slots)

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter([
            <object> self.slots[(self.head + i) & (self.capacity - 1)] for i in range(self.count)
        ])

    def __getitem__(self, place):
        return list(self)[place]

    def __repr__(self):
        return f"{type(self).__name__}({list(self)})"

    def append(self, handle):
        """Run a handle in the next turn: one of a loop's, or of asyncio's own making."""
        push(self, adopted(handle))

    def extend(self, handles):
        """Run handles in the next turn."""
        for handle in handles:
            push(self, adopted(handle))

    def popleft(self):
        """Take out the oldest handle."""
        if self.count == 0:
            raise IndexError("pop from an empty queue")
        cdef PyObject *taken = pop(self)
        handle = <object> taken
        Py_DECREF(handle)
        return handle

    def clear(self):
        """Take out all handles."""
        self.empty()

    cdef int grow(self) except -1:
        cdef size_t capacity = self.capacity * 2
        cdef size_t i
        cdef PyObject **slots = <PyObject **> PyMem_Malloc(capacity * sizeof(PyObject *))
        if slots == NULL:
            raise MemoryError
        for i in range(self.count):
            slots[i] = self.slots[(self.head + i) & (self.capacity - 1)]
        PyMem_Free(self.slots)
        self.slots = slots
        self.capacity = capacity
        self.head = 0
        return 0

    cdef void empty(self) noexcept:
        # Dropping a reference may run code that pushes: each handle is taken out first.
        cdef PyObject *handle
        while self.count:
            handle = self.slots[self.head]
            self.head = (self.head + 1) & (self.capacity - 1)
            self.count -= 1
            Py_DECREF(<object> handle)

    cdef int show(self, Visit visit, void *argument) noexcept:
        """Show the cyclic collector all handles."""
        cdef size_t i
        cdef int status = 0
        for i in range(self.count):
            if status == 0:
                status = visit(self.slots[(self.head + i) & (self.capacity - 1)], argument)
        return status
