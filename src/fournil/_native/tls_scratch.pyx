# cython: binding=False
"""What transports read ciphertext into: one buffer for all connections of a loop."""

from weakref import WeakKeyDictionary

cdef enum:
    SIZE = 256 * 1024

cdef object scratches = WeakKeyDictionary()


cdef class Scratch:
    """A buffer that keeps nothing from one read to the next."""

    def __cinit__(self):
        self.memory = bytearray(SIZE)
        self.view = memoryview(self.memory)


cdef Scratch scratch_for(loop, transport):
    """Return what a transport of this loop may read into."""
    # These fill a buffer as soon as they get it; others may first wait for the peer, while other
    # connections read into it.
    if type(transport).__module__.partition(".")[0] not in ("asyncio", "fournil"):
        return Scratch()
    scratch = scratches.get(loop)
    if scratch is None:
        scratches[loop] = scratch = Scratch()
    return scratch
