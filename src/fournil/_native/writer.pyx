"""asyncio's stream writers, for a server's connections: a write and a drain that need not wait.

A writer of asyncio's own class is given the class that is defined here, a subclass of that.
"""

import asyncio
import collections.abc

from fournil._native.calls cimport call, call_with
from fournil._native.originals cimport Originals

cdef type AsyncioWriter = asyncio.StreamWriter
cdef Originals of_writer = Originals(AsyncioWriter, "write", "drain")


class StreamWriter(asyncio.StreamWriter):
    """A stream writer as asyncio's, whose hot methods are native."""

    def write(self, data):
        """Send bytes."""
        if of_writer.changed():
            AsyncioWriter.write(self, data)
            return
        call_with(self._transport, "write", data)

    def drain(self):
        """Wait until what was written is sent, or little enough waits."""
        reader = self._reader
        protocol = self._protocol
        if (
            (reader is None or call(reader, "exception") is None)
            and not call(self._transport, "is_closing")
            and not protocol._paused
            and not protocol._connection_lost
            and not of_writer.changed()
        ):
            return DONE
        return AsyncioWriter.drain(self)


cdef int write_natively(writer) except -1:
    if type(writer) is AsyncioWriter:
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
