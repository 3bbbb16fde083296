"""asyncio's stream readers, fed and read natively.

Once a native stream feeds it, a reader of asyncio's own class is given the class that is
defined here, a subclass of that, and so is its protocol. What asyncio keeps in attributes is
then in a native object, and the attributes show that: whatever else reads or sets them goes on
to work. A reader or a protocol of a user's class is left as it is, and a method that somebody
replaced is called.
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
cdef object drain_of_asyncio = AsyncioProtocol._drain_helper


cdef class ReaderState:
    """What asyncio's reader keeps in attributes of these names."""

    # Touched only by the loop's thread.
    cdef public bytearray _buffer
    cdef public object _loop
    cdef public object _transport
    cdef public object _waiter          # a future of whoever waits for more, or None
    cdef public object _exception
    cdef public Py_ssize_t _limit
    cdef public bint _eof
    cdef public bint _paused


STATE = ("_buffer", "_loop", "_transport", "_waiter", "_exception", "_limit", "_eof", "_paused")


def shown(name):
    """Return a property that shows a field of a reader's state."""
    return property(
        lambda reader: getattr(reader._state, name),
        lambda reader, value: setattr(reader._state, name, value),
    )


class StreamReader(asyncio.StreamReader):
    """A stream reader as asyncio's, whose methods are native."""

    def feed_data(self, data):
        """Add to what can be read."""
        feed_state(self._state, data)

    def exception(self):
        """Return what ended the stream, if that was an error."""
        return (<ReaderState> self._state)._exception

    async def readline(self):
        """Return the next line; what is left, without an end of line, at the end of the stream."""
        cdef ReaderState state = self._state
        cdef Py_ssize_t searched = 0
        cdef Py_ssize_t end
        try:
            while True:
                end = end_of(state, b"\n", searched)
                if end >= 0:
                    return take(state, end)
                searched = PyByteArray_GET_SIZE(state._buffer)
                begin_to_wait(state, "readuntil")
                try:
                    await state._waiter
                finally:
                    state._waiter = None
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            if state._buffer.startswith(b"\n", error.consumed):
                del state._buffer[: error.consumed + 1]
            else:
                state._buffer.clear()
            resume(state)
            raise ValueError(error.args[0])

    async def readuntil(self, separator=b"\n"):
        """Return what comes up to and with `separator`."""
        cdef ReaderState state = self._state
        cdef Py_ssize_t searched = 0
        cdef Py_ssize_t end
        if type(separator) is not bytes or not separator:
            return await AsyncioReader.readuntil(self, separator)
        while True:
            end = end_of(state, separator, searched)
            if end >= 0:
                return take(state, end)
            searched = max(0, PyByteArray_GET_SIZE(state._buffer) + 1 - len(separator))
            begin_to_wait(state, "readuntil")
            try:
                await state._waiter
            finally:
                state._waiter = None

    async def readexactly(self, n):
        """Return exactly `n` bytes."""
        cdef ReaderState state = self._state
        cdef Py_ssize_t count = n
        if count < 0:
            raise ValueError("readexactly size can not be less than zero")
        if state._exception is not None:
            raise state._exception
        while PyByteArray_GET_SIZE(state._buffer) < count:
            if state._eof:
                raise asyncio.IncompleteReadError(
                    take(state, PyByteArray_GET_SIZE(state._buffer)), count
                )
            begin_to_wait(state, "readexactly")
            try:
                await state._waiter
            finally:
                state._waiter = None
        return take(state, count) if count else b""

    async def read(self, n=-1):
        """Return at most `n` bytes, as soon as there are some; without `n`, all to the end."""
        cdef ReaderState state = self._state
        if n < 0:
            return await AsyncioReader.read(self, n)
        if state._exception is not None:
            raise state._exception
        if n == 0:
            return b""
        if PyByteArray_GET_SIZE(state._buffer) == 0 and not state._eof:
            begin_to_wait(state, "read")
            try:
                await state._waiter
            finally:
                state._waiter = None
        return take(state, min(n, PyByteArray_GET_SIZE(state._buffer)))


for name in STATE:
    setattr(StreamReader, name, shown(name))
del name


class StreamReaderProtocol(asyncio.StreamReaderProtocol):
    """The protocol of a stream reader as asyncio's, for a write that need not wait."""

    def _drain_helper(self):
        # Called at each drain, of which most find nothing to wait for.
        if self._paused or self._connection_lost:
            return drain_of_asyncio(self)
        return NOTHING_TO_WAIT_FOR


cdef class Nothing:
    """An awaitable that is done."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration


cdef object NOTHING_TO_WAIT_FOR = Nothing()


cdef object feed_data_of_ours = StreamReader.feed_data


cdef object reader_fed_by(protocol):
    """Return the weak reference by which a protocol of asyncio's holds its reader, or None."""
    if type(protocol) is AsyncioProtocol:
        protocol.__class__ = StreamReaderProtocol
    if type(protocol) is not StreamReaderProtocol or protocol._stream_reader_wr is None:
        return None
    reader = protocol._stream_reader_wr()
    if type(reader) is AsyncioReader:
        take_over(reader)
    return protocol._stream_reader_wr if type(reader) is StreamReader else None


cdef int take_over(reader) except -1:
    cdef ReaderState state = ReaderState.__new__(ReaderState)
    attributes = vars(reader)
    for name in STATE:
        setattr(state, name, attributes.pop(name))
    attributes["_state"] = state
    reader.__class__ = StreamReader
    return 0


cdef int feed(protocol, reference, bytes data) except -1:
    """Deliver data to a protocol that has such a reference."""
    # Anybody may have replaced the methods that lead to the reader, in a class or an object.
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
    return feed_state(reader._state, data)


cdef inline bint is_method(method, function) noexcept:
    return PyMethod_Check(method) and PyMethod_GET_FUNCTION(method) == <PyObject *> function


cdef int feed_state(ReaderState state, data) except -1:
    cdef bytearray buffer = state._buffer
    cdef Py_ssize_t before
    if state._eof:
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
    waiter = state._waiter
    if waiter is not None:
        state._waiter = None
        if not waiter.cancelled():
            call_with(waiter, "set_result", None)
    if (
        PyByteArray_GET_SIZE(buffer) > 2 * state._limit
        and state._transport is not None
        and not state._paused
    ):
        try:
            state._transport.pause_reading()
        except NotImplementedError:
            state._transport = None  # it cannot be paused: do not try again
        else:
            state._paused = True
    return 0


cdef Py_ssize_t end_of(ReaderState state, bytes separator, Py_ssize_t searched) except -2:
    """Return where what ends with `separator` ends; -1 while it has not come."""
    cdef Py_ssize_t length = PyByteArray_GET_SIZE(state._buffer)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(separator)
    cdef char *begin = PyByteArray_AS_STRING(state._buffer)
    cdef char *found
    if state._exception is not None:
        raise state._exception
    if length - searched >= size:
        found = <char *> memmem(
            begin + searched, length - searched, PyBytes_AS_STRING(separator), size
        )
        if found != NULL:
            if found - begin > state._limit:
                raise asyncio.LimitOverrunError(
                    "Separator is found, but chunk is longer than limit", found - begin
                )
            return found - begin + size
        searched = max(0, length + 1 - size)
        if searched > state._limit:
            raise asyncio.LimitOverrunError(
                "Separator is not found, and chunk exceed the limit", searched
            )
    if state._eof:
        raise asyncio.IncompleteReadError(take(state, length), None)
    return -1


cdef bytes take(ReaderState state, Py_ssize_t count):
    """Return the next `count` bytes, which have come, and forget them."""
    cdef bytearray buffer = state._buffer
    cdef bytes taken = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer), count)
    if count == PyByteArray_GET_SIZE(buffer):
        PyByteArray_Resize(buffer, 0)
    else:
        del buffer[:count]
    resume(state)
    return taken


cdef int resume(ReaderState state) except -1:
    """Receive again if too much had come, and enough of it was taken."""
    if state._paused and PyByteArray_GET_SIZE(state._buffer) <= state._limit:
        state._paused = False
        state._transport.resume_reading()
    return 0


cdef int begin_to_wait(ReaderState state, str method) except -1:
    """Have `_waiter` be a future that more data, or the end, completes."""
    if state._waiter is not None:
        raise RuntimeError(
            f"{method}() called while another coroutine is already waiting for incoming data"
        )
    if state._paused:
        # What is waited for may be longer than the limit: it would never come.
        state._paused = False
        state._transport.resume_reading()
    state._waiter = state._loop.create_future()
    return 0
