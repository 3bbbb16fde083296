cdef extern from "sys/descriptors.h" nogil:
    int out_of_the_way(int fd)
    long descriptor_limit()
