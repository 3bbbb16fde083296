"""asyncio's stream readers, fed and read natively.

Once a native stream feeds it, a reader of asyncio's own class is given the class that is
defined here, a subclass with the same attributes: whatever else reads or sets those goes on to
work. A reader or a protocol of a user's class keeps it, and a method that somebody replaced is
called.
"""

import asyncio
import asyncio.streams

from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_GET_SIZE,
    PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memcpy

from fournil._native.calls cimport call_with

cdef extern from "Python.h":
    bint PyMethod_Check(object)
    PyObject *PyMethod_GET_FUNCTION(object)

cdef extern from "<string.h>":
    void *memmem(const void *text, size_t length, const void *part, size_t part_length)

cdef type AsyncioReader = asyncio.StreamReader
cdef type AsyncioProtocol = asyncio.StreamReaderProtocol
cdef object data_received_of_asyncio = AsyncioProtocol.data_received


class StreamReader(asyncio.StreamReader):
    """A stream reader as asyncio's, whose methods are native."""

    def feed_data(self, data):
        """Add to what can be read."""
        feed_reader(self, data)

    async def readline(self):
        """Return the next line; what is left, without an end of line, at the end of the stream."""
        cdef Py_ssize_t searched = 0
        cdef Py_ssize_t end
        try:
            while True:
                end = end_of(self, b"\n", searched)
                if end >= 0:
                    return take(self, end)
                searched = len(self._buffer)
                begin_to_wait(self, "readuntil")
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            if self._buffer.startswith(b"\n", error.consumed):
                del self._buffer[: error.consumed + 1]
            else:
                self._buffer.clear()
            self._maybe_resume_transport()
            raise ValueError(error.args[0])

    async def readuntil(self, separator=b"\n"):
        """Return what comes up to and with `separator`."""
        cdef Py_ssize_t searched = 0
        cdef Py_ssize_t end
        if type(separator) is not bytes or not separator:
            return await AsyncioReader.readuntil(self, separator)
        while True:
            end = end_of(self, separator, searched)
            if end >= 0:
                return take(self, end)
            searched = max(0, len(self._buffer) + 1 - len(separator))
            begin_to_wait(self, "readuntil")
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def readexactly(self, n):
        """Return exactly `n` bytes."""
        if n < 0:
            raise ValueError("readexactly size can not be less than zero")
        if self._exception is not None:
            raise self._exception
        if n == 0:
            return b""
        while len(self._buffer) < n:
            if self._eof:
                raise asyncio.IncompleteReadError(take(self, len(self._buffer)), n)
            begin_to_wait(self, "readexactly")
            try:
                await self._waiter
            finally:
                self._waiter = None
        return take(self, n)

    async def read(self, n=-1):
        """Return at most `n` bytes, as soon as there are some; without `n`, all to the end."""
        if n < 0:
            return await AsyncioReader.read(self, n)
        if self._exception is not None:
            raise self._exception
        if n == 0:
            return b""
        if not self._buffer and not self._eof:
            begin_to_wait(self, "read")
            try:
                await self._waiter
            finally:
                self._waiter = None
        return take(self, min(n, len(self._buffer)))


cdef object feed_data_of_ours = StreamReader.feed_data


cdef object reader_fed_by(protocol):
    """Return the weak reference by which a protocol of asyncio's holds its reader, or None."""
    if type(protocol) is not AsyncioProtocol:
        return None
    reference = protocol._stream_reader_wr
    if reference is None:
        return None
    reader = reference()
    if type(reader) is AsyncioReader:
        reader.__class__ = StreamReader
    return reference if type(reader) is StreamReader else None


cdef int feed(protocol, reference, bytes data) except -1:
    """Deliver data to a protocol that has such a reference."""
    # Anybody may have replaced the methods that lead to the reader, in the class or an object.
    method = protocol.data_received
    if not is_method(method, data_received_of_asyncio):
        method(data)
        return 0
    reader = reference()
    if reader is None:
        return 0
    method = reader.feed_data
    if not is_method(method, feed_data_of_ours):
        method(data)
        return 0
    return feed_reader(reader, data)


cdef inline bint is_method(method, function) noexcept:
    return PyMethod_Check(method) and PyMethod_GET_FUNCTION(method) == <PyObject *> function


cdef int feed_reader(reader, data) except -1:
    cdef bytearray buffer = reader._buffer
    cdef Py_ssize_t before
    if reader._eof:
        raise AssertionError("feed_data after feed_eof")
    if not data:
        return 0
    if type(data) is bytes:
        before = PyByteArray_GET_SIZE(buffer)
        PyByteArray_Resize(buffer, before + PyBytes_GET_SIZE(data))
        memcpy(
            PyByteArray_AS_STRING(buffer) + before, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
        )
    else:
        buffer.extend(data)
    waiter = reader._waiter
    if waiter is not None:
        reader._waiter = None
        if not waiter.cancelled():
            call_with(waiter, "set_result", None)
    if (
        PyByteArray_GET_SIZE(buffer) > 2 * <Py_ssize_t> reader._limit
        and reader._transport is not None
        and not reader._paused
    ):
        try:
            reader._transport.pause_reading()
        except NotImplementedError:
            reader._transport = None  # it cannot be paused: do not try again
        else:
            reader._paused = True
    return 0


cdef Py_ssize_t end_of(reader, bytes separator, Py_ssize_t searched) except -2:
    """Return where what ends with `separator` ends; -1 while it has not come."""
    cdef bytearray buffer = reader._buffer
    cdef Py_ssize_t length = PyByteArray_GET_SIZE(buffer)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(separator)
    cdef Py_ssize_t limit = reader._limit
    cdef char *begin = PyByteArray_AS_STRING(buffer)
    cdef char *found
    if reader._exception is not None:
        raise reader._exception
    if length - searched >= size:
        found = <char *> memmem(
            begin + searched, length - searched, PyBytes_AS_STRING(separator), size
        )
        if found != NULL:
            if found - begin > limit:
                raise asyncio.LimitOverrunError(
                    "Separator is found, but chunk is longer than limit", found - begin
                )
            return found - begin + size
        searched = max(0, length + 1 - size)
        if searched > limit:
            raise asyncio.LimitOverrunError(
                "Separator is not found, and chunk exceed the limit", searched
            )
    if reader._eof:
        raise asyncio.IncompleteReadError(take(reader, length), None)
    return -1


cdef bytes take(reader, Py_ssize_t count):
    """Return the next `count` bytes, which have come, and forget them."""
    cdef bytearray buffer = reader._buffer
    cdef bytes taken = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer), count)
    if count == PyByteArray_GET_SIZE(buffer):
        PyByteArray_Resize(buffer, 0)
    else:
        del buffer[:count]
    if reader._paused:
        reader._maybe_resume_transport()
    return taken


cdef int begin_to_wait(reader, str method) except -1:
    """Have `_waiter` be a future that more data, or the end, completes."""
    if reader._waiter is not None:
        raise RuntimeError(
            f"{method}() called while another coroutine is already waiting for incoming data"
        )
    if reader._paused:
        # Waiting for more than the limit would never end otherwise.
        reader._paused = False
        reader._transport.resume_reading()
    reader._waiter = reader._loop.create_future()
    return 0
