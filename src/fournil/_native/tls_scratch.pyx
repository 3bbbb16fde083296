# cython: binding=False
"""What transports read ciphertext into: one buffer for all connections of a loop."""

from weakref import WeakKeyDictionary

cdef enum:
    SIZE = 256 * 1024

cdef tuple AT_ONCE = ("fournil._native.transport", "asyncio.selector_events")

cdef object scratches = WeakKeyDictionary()


cdef class Scratch:
    """A buffer that keeps nothing from one read to the next."""

    def __cinit__(self):
        self.memory = bytearray(SIZE)
        self.view = memoryview(self.memory)


cdef Scratch scratch_for(loop, transport):
    """Return what a transport of this loop may read into."""
    # A socket's transport fills a buffer as soon as it gets it, and has what it filled taken at
    # once. Others may wait in between, while other connections read into it; and TLS over TLS
    # decrypts into this buffer what it takes from its own. A loop that is run inside a step reads
    # while that step still does.
    cdef Scratch scratch
    if type(transport).__module__ not in AT_ONCE:
        return Scratch()
    scratch = scratches.get(loop)
    if scratch is None:
        scratches[loop] = scratch = Scratch()
    return Scratch() if scratch.busy else scratch
