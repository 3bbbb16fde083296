"""Addresses of sockets, as the `socket` module shows them."""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII
from libc.errno cimport EINVAL, ENOTCONN, errno
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.string cimport memset, strlen

from fournil._native.sys.sockets cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    NI_MAXHOST,
    NI_NUMERICHOST,
    getnameinfo,
    getpeername,
    getsockname,
    htons,
    inet_pton,
    ntohl,
    ntohs,
    sa_family_t,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    sockaddr_un,
    socklen_t,
)

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object)


cdef bytes raw_address(int fd, bint of_peer):
    """Return the raw address of a socket, or of its other end; empty when there is none."""
    cdef sockaddr_storage address
    cdef socklen_t length = sizeof(address)
    cdef int status
    if of_peer:
        status = getpeername(fd, <sockaddr *> &address, &length)
    else:
        status = getsockname(fd, <sockaddr *> &address, &length)
    if status < 0:
        return b""
    return (<char *> &address)[: min(<size_t> length, sizeof(address))]


cdef bint is_socket_to(int fd, bytes peer):
    """Return whether a descriptor may be that of a connection to `peer`, a raw address.

    One that was reset has no peer any more.
    """
    cdef bytes address = raw_address(fd, True)
    return address == peer if address else errno == ENOTCONN or errno == EINVAL


cdef object address_of(bytes raw):
    if not raw:
        return None
    return address_object(<const sockaddr *> PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))


cdef object address_object(const sockaddr *address, socklen_t length):
    """Return an address as `socket.getpeername` does; None for a family not known here."""
    cdef const sockaddr_in *inet
    cdef const sockaddr_in6 *inet6
    cdef char host[NI_MAXHOST]
    cdef int family
    cdef Py_ssize_t size
    if length < sizeof(sa_family_t):
        return None
    family = address.sa_family
    if family == AF_INET:
        inet = <const sockaddr_in *> address
        size = write_ipv4(host, ntohl(inet.sin_addr.s_addr))
        return PyUnicode_DecodeASCII(host, size, NULL), ntohs(inet.sin_port)
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


cdef Py_ssize_t write_ipv4(char *text, uint32_t number) noexcept:
    """Write the four numbers of an address and return the length of the text."""
    # Each datagram has one, and inet_ntop, which is a sprintf, takes several times as long.
    cdef Py_ssize_t size = 0
    cdef uint32_t part
    cdef int shift
    for shift in range(24, -1, -8):
        part = number >> shift & 255
        if part >= 100:
            text[size] = c"0" + part // 100
            size += 1
        if part >= 10:
            text[size] = c"0" + part // 10 % 10
            size += 1
        text[size] = c"0" + part % 10
        text[size + 1] = c"."
        size += 2
    return size - 1


cdef bint write_address(
    object address, int family, sockaddr_storage *raw, socklen_t *length
) except -1:
    """Write the raw form of an address; return whether it has a form that is known here.

    That is (host, port) with a host of four numbers. Others are for the `socket` module.
    """
    cdef sockaddr_in *inet = <sockaddr_in *> raw
    cdef const char *host
    cdef Py_ssize_t size
    if family != AF_INET or type(address) is not tuple or PyTuple_GET_SIZE(address) != 2:
        return False
    name, number = address
    if type(name) is not str or not PyUnicode_IS_ASCII(name) or type(number) is not int:
        return False
    if not 0 <= number <= 65535:
        return False
    host = PyUnicode_AsUTF8AndSize(name, &size)
    memset(inet, 0, sizeof(sockaddr_in))
    inet.sin_family = AF_INET
    inet.sin_port = htons(number)
    if strlen(host) != <size_t> size or inet_pton(AF_INET, host, &inet.sin_addr) != 1:
        return False
    length[0] = sizeof(sockaddr_in)
    return True


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
