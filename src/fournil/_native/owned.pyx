"""A descriptor that is known by what it is, and not by its number alone.

A number that somebody closed may be that of another's file or connection by now. To ask the kernel
what a number names takes a tenth of what it takes to send something there.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno

from fournil._native.sys.descriptors cimport fstat, stat_t
from fournil._native.sys.sockets cimport MSG_NOSIGNAL, send


cdef int identify(int descriptor, Identity *identity) noexcept nogil:
    """Note what a number names; return -1, with errno, if it names nothing."""
    cdef stat_t found
    if fstat(descriptor, &found):
        return -1
    identity.device = found.st_dev
    identity.inode = found.st_ino
    return 0


cdef bint names(int descriptor, const Identity *identity) noexcept nogil:
    """Return whether a number names still what it did."""
    cdef Identity found
    return (
        identify(descriptor, &found) == 0
        and found.device == identity.device
        and found.inode == identity.inode
    )


cdef class Owned:
    def __init__(self, int descriptor):
        if identify(descriptor, &self.identity):
            PyErr_SetFromErrno(OSError)
        self.descriptor = descriptor

    def send(self, bytes data not None):
        cdef const char *begin = PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t sent
        cdef int failure
        while True:
            with nogil:
                failure = 0
                sent = -1
                if names(self.descriptor, &self.identity):
                    sent = send(self.descriptor, begin, size, MSG_NOSIGNAL)
                    if sent < 0:
                        failure = errno
            if failure == 0:
                return sent
            if failure == EAGAIN:
                return 0
            if failure != EINTR:
                raise OSError(failure, os.strerror(failure))
            PyErr_CheckSignals()
