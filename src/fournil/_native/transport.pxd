from fournil._native.core cimport LoopCore
from fournil._native.stream cimport Stream


cdef Stream new_stream(LoopCore loop, int fd, sock, int family, int proto)
cdef int begin(Stream stream, protocol, server, dict extra) except -1
