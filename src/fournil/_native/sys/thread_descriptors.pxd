# The descriptors of threads that are none of the program's; see the header.
cdef extern from "sys/thread_descriptors.h" nogil:
    ctypedef struct Descriptor:
        bint opened
    enum:
        O_DIRECTORY
    bint descriptors_apart()
    Descriptor descriptor_open(const Descriptor *folder, const char *path, int flags, bint apart)
    void descriptor_reopen(Descriptor *one, const char *path, int flags, bint apart)
    void descriptor_close(Descriptor *one)
