from fournil._native.sys.sockets cimport sockaddr, sockaddr_storage, socklen_t


cdef bytes raw_local_address(int fd)
cdef bytes raw_peer_address(int fd)
cdef object address_of(bytes raw)
cdef object address_object(const sockaddr *address, socklen_t length)
cdef bint write_address(
    object address, int family, sockaddr_storage *raw, socklen_t *length
) except -1
