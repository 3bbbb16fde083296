from fournil._native.sys.sockets cimport sockaddr, socklen_t


cdef object address_object(const sockaddr *address, socklen_t length)
