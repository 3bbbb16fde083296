from fournil._native.sys.sockets cimport sockaddr, sockaddr_storage, socklen_t


cdef bytes raw_address(int fd, bint of_peer)
cdef bint is_socket_to(int fd, bytes peer)
cdef object address_of(bytes raw)
cdef object address_object(const sockaddr *address, socklen_t length)
cdef bint write_address(
    object address, int family, sockaddr_storage *raw, socklen_t *length
) except -1
