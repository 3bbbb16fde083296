cdef class Originals:
    # Touched only by threads that hold the GIL.
    cdef type owner
    cdef tuple names
    cdef dict globals                   # of the module that defines the class
    cdef unsigned int version           # of the class when it was last looked at

    cdef bint changed(self) except -1
