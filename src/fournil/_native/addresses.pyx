"""Addresses of sockets, as the `socket` module shows them."""

import os

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stddef cimport size_t

from fournil._native.sys.sockets cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    NI_MAXHOST,
    NI_NUMERICHOST,
    getnameinfo,
    inet_ntop,
    ntohl,
    ntohs,
    sa_family_t,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_un,
    socklen_t,
)


cdef object address_object(const sockaddr *address, socklen_t length):
    """Return an address as `socket.getpeername` does; None for a family not known here."""
    cdef const sockaddr_in *inet
    cdef const sockaddr_in6 *inet6
    cdef char host[NI_MAXHOST]
    cdef int family
    if length < sizeof(sa_family_t):
        return None
    family = address.sa_family
    if family == AF_INET:
        inet = <const sockaddr_in *> address
        if inet_ntop(AF_INET, &inet.sin_addr, host, sizeof(host)) == NULL:
            return None
        return host.decode("ascii"), ntohs(inet.sin_port)
    if family == AF_INET6:
        # Unlike inet_ntop, getnameinfo adds the name of a link-local address's interface.
        inet6 = <const sockaddr_in6 *> address
        if getnameinfo(
            address, length, host, sizeof(host), NULL, 0, NI_NUMERICHOST
        ) != 0:
            return None
        return (
            host.decode("ascii"),
            ntohs(inet6.sin6_port),
            ntohl(inet6.sin6_flowinfo),
            inet6.sin6_scope_id,
        )
    if family == AF_UNIX:
        return path_of(<const sockaddr_un *> address, length - sizeof(sa_family_t))
    return None


cdef object path_of(const sockaddr_un *address, size_t length):
    """Return the path of a Unix socket: "" without one, bytes in the abstract namespace."""
    cdef size_t end = 0
    if length == 0:
        return ""
    if address.sun_path[0] == 0:
        return PyBytes_FromStringAndSize(address.sun_path, length)
    while end < length and address.sun_path[end] != 0:
        end += 1
    return os.fsdecode(PyBytes_FromStringAndSize(address.sun_path, end))
