cdef extern from "sys/socket_object.h":
    ctypedef struct SocketObject:
        const int descriptor
