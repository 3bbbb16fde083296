cdef class Scratch:
    # Written by a transport and read by the connection at once, within one step of the loop.
    cdef bytearray memory
    cdef object view
    cdef bint busy                      # what was written is being read


cdef Scratch scratch_for(loop, transport)
