"""A channel: a file descriptor of which native code takes up what the kernel reports.

Transports and listeners are channels. One is itself the handle that waits in the ready queue,
at most once, so that an event costs no new object.
"""

import socket

cimport cython
from cpython.object cimport PyObject

from libc.stdint cimport uint32_t

from fournil._native.handles cimport Handle
from fournil._native.sys.python cimport raise_again
from fournil._native.sys.socket_object cimport SocketObject

cdef type Socket = socket.SocketType


# Not cleared by the collector: finalizers of what is collected with it may still use it, and
# what it points to. It is in no cycle without an object that is.
@cython.no_gc_clear
cdef class Channel(Handle):
    """A handle that the poller makes ready again and again."""

    def __cinit__(self, *args, **kwargs):
        self.fd = -1
        self.held = &self.fd

    cdef int hold(self, sock) except -1:
        """Use the descriptor that `sock` has, which its owner keeps as long as this lives."""
        cdef const int *held
        self.held = &self.fd
        # What is no socket object has only its number; so has one of another layout.
        if isinstance(sock, Socket):
            held = &(<SocketObject *> <PyObject *> sock).descriptor
            if held[0] == self.fd:
                self.held = held
        return 0

    cdef int act(self) noexcept:
        cdef uint32_t readiness = self.readiness
        self.readiness = 0
        self.queued = False
        try:
            self.take_up(readiness)
            return 0
        except BaseException as problem:
            error = problem
        raise_again(error)
        return -1

    def _repr_info(self):
        # asyncio's debug mode names by it what took long.
        info = super()._repr_info()
        if self.transport is not None:
            info.append(f"of {self.transport.get_protocol()!r}")
        return info

    cdef int take_up(self, uint32_t readiness) except -1:
        """Take up what the kernel reported: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it takes up")

    cdef int broken(self, error) except -1:
        """Take that the kernel, or its owner, does not know its descriptor any more."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it ends")
