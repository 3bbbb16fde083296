cdef class Scratch:
    # Written by a transport and read by the connection at once, within one step of the loop.
    cdef bytearray memory
    cdef object view


cdef Scratch scratch_for(loop, transport)
