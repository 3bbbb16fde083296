"""A channel: a file descriptor of which native code takes up what the kernel reports.

Transports and listeners are channels. One is itself the handle that waits in the ready queue,
at most once, so that an event costs no new object.
"""

from libc.stdint cimport uint32_t

from fournil._native.handles cimport Handle
from fournil._native.sys.python cimport raise_again


cdef class Channel(Handle):
    """A handle that the poller makes ready again and again."""

    def __cinit__(self, *args, **kwargs):
        self.fd = -1

    cdef int act(self) noexcept:
        cdef uint32_t told = self.told
        self.told = 0
        self.queued = False
        try:
            self.take_up(told)
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

    cdef int take_up(self, uint32_t told) except -1:
        """Take up what the kernel reported: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it takes up")
