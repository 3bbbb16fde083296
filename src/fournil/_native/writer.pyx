"""asyncio's stream writers, for a server's connections: a write and a drain that need not wait.

A writer of asyncio's own class is given the class that is defined here, a subclass of that.
"""

import asyncio
import collections.abc

cimport cython

from fournil._native.endpoint cimport Endpoint
from fournil._native.originals cimport Originals
from fournil._native.reader cimport ReaderState, exception_of
from fournil._native.reader import StreamReader

cdef type AsyncioWriter = asyncio.StreamWriter
cdef Originals of_writer = Originals(AsyncioWriter, "write", "drain")


# Not cleared by the collector: a writer that is collected with it may still be asked.
@cython.no_gc_clear
cdef class Direct:
    """The way from a writer to the native stream below it."""

    def __init__(self, *args, **kwargs):
        raise TypeError("a Direct is made for a writer of asyncio's only")

    # Touched only by the loop's thread.
    cdef Endpoint endpoint              # None: what is below is something else
    cdef object protocol                # that the endpoint had
    cdef object reader
    cdef ReaderState state              # of the reader
    cdef bint replaced                  # something of the writer was

    cdef bint stands(self) except -1:
        """Return whether nothing came in between, as TLS does, or somebody's own object."""
        return (
            not self.replaced
            and self.endpoint is not None
            and self.endpoint.protocol is self.protocol
            and not of_writer.changed()
        )


cdef inline Direct direct_of(writer):
    cdef Direct direct = writer._direct
    if direct is None:
        raise AttributeError("the writer's way to its stream was replaced by None")
    return direct


class StreamWriter(asyncio.StreamWriter):
    """A stream writer as asyncio's, whose hot methods are native."""

    def __setattr__(self, name, value):
        direct_of(self).replaced = True
        AsyncioWriter.__setattr__(self, name, value)

    def write(self, data):
        """Send bytes."""
        cdef Direct direct = direct_of(self)
        if type(data) is bytes and direct.stands():
            direct.endpoint.write(data)
        else:
            AsyncioWriter.write(self, data)

    def drain(self):
        """Wait until what was written is sent, or little enough waits."""
        cdef Direct direct = direct_of(self)
        if (
            direct.stands()
            and not direct.endpoint.closing
            and not direct.endpoint.protocol_paused
            and exception_of(direct.state, direct.reader) is None
        ):
            return DONE
        return AsyncioWriter.drain(self)


cdef int write_natively(writer) except -1:
    cdef Direct direct
    if type(writer) is not AsyncioWriter or type(writer._reader) is not StreamReader:
        return 0
    direct = Direct.__new__(Direct)
    endpoint = getattr(writer._transport, "_endpoint", None)
    if isinstance(endpoint, Endpoint):
        direct.endpoint = endpoint
    direct.protocol = writer._protocol
    direct.reader = writer._reader
    direct.state = writer._reader._state
    writer._direct = direct
    writer.__class__ = StreamWriter
    return 0


cdef class Done:
    """A coroutine that has nothing to wait for: one for all, since it has no state."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def send(self, value):
        """End at once."""
        raise StopIteration

    def throw(self, kind, value=None, traceback=None):
        """Raise what is given."""
        raise kind if value is None else value

    def close(self):
        """Do nothing."""


collections.abc.Coroutine.register(Done)

DONE = Done()
