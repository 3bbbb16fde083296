from libc.stdint cimport uint64_t

cdef extern from "sys/descriptors.h" nogil:
    int out_of_the_way(int fd)
    long descriptor_limit()

cdef extern from "<fcntl.h>" nogil:
    enum:
        O_CLOEXEC
        O_NONBLOCK

cdef extern from "<unistd.h>" nogil:
    int pipe2(int *ends, int flags)
    ssize_t read(int descriptor, void *data, size_t size)
    ssize_t write(int descriptor, const void *data, size_t size)
    int close(int descriptor)

cdef extern from "<sys/stat.h>" nogil:
    ctypedef struct stat_t "struct stat":
        uint64_t st_dev
        uint64_t st_ino
    int fstat(int descriptor, stat_t *found)
