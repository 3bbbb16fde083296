"""asyncio's stream readers, fed and read natively.

Once a native stream feeds it, a reader of asyncio's own class is given the class that is
defined here, a subclass of that. What asyncio keeps in attributes is then in a native object,
and the attributes show that: whatever else reads or sets them goes on to work. A reader of a
user's class is left as it is, and a method that somebody replaced is called.
"""

import asyncio
import asyncio.streams

cimport cython
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_GET_SIZE,
    PyByteArray_Resize,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from fournil._native.calls cimport call_with
from fournil._native.core cimport LoopCore
from fournil._native.originals cimport Originals

cdef extern from "<string.h>":
    void *memmem(const void *text, size_t length, const void *part, size_t part_length)

cdef type AsyncioReader = asyncio.StreamReader
cdef type AsyncioProtocol = asyncio.StreamReaderProtocol
cdef Originals of_reader = Originals(
    AsyncioReader, "feed_data", "read", "readline", "readuntil", "readexactly", "exception"
)
cdef Originals of_protocol = Originals(AsyncioProtocol, "data_received")


def replaceable(name, type asyncios):
    """Return a property for a method of asyncio's that an object may have another for."""

    def get(owner):
        other = owner.__dict__.get(name)
        return getattr(asyncios, name).__get__(owner) if other is None else other

    def put(owner, method):
        owner.__dict__[name] = method
        reader = owner if asyncios is AsyncioReader else owner._stream_reader
        if type(reader) is StreamReader:
            state_in(reader).replaced = True

    def drop(owner):
        if owner.__dict__.pop(name, None) is None:
            raise AttributeError(name)

    return property(get, put, drop)


# Not cleared by the collector: a reader that is collected with it may still be asked.
@cython.no_gc_clear
cdef class ReaderState:
    """What asyncio's reader keeps in attributes."""

    def __init__(self, *args, **kwargs):
        raise TypeError("a ReaderState is made for a reader of asyncio's only")

    @property
    def _buffer(self):
        return buffer_of(self)

    @_buffer.setter
    def _buffer(self, bytearray buffer not None):
        self.whole = None
        self.buffer = buffer


STATE = ("_buffer", "_loop", "_transport", "_waiter", "_exception", "_limit", "_eof", "_paused")


def shown(name):
    """Return a property that shows a field of a reader's state."""
    return property(
        lambda reader: getattr(reader._state, name),
        lambda reader, value: setattr(reader._state, name, value),
    )


class StreamReader(asyncio.StreamReader):
    """A stream reader as asyncio's, whose methods are native."""

    feed_data = replaceable("feed_data", AsyncioReader)

    def exception(self):
        """Return what ended the stream, if that was an error."""
        return exception_of(state_in(self), self)

    async def readline(self):
        """Return the next line; what is left, without an end of line, at the end of the stream."""
        cdef ReaderState state = state_in(self)
        cdef Py_ssize_t searched = 0
        cdef Py_ssize_t end
        if of_reader.changed():
            return await AsyncioReader.readline(self)
        try:
            while True:
                end = end_of(state, b"\n", searched)
                if end >= 0:
                    return take(state, end)
                searched = length_of(state)
                begin_to_wait(state, "readuntil")
                try:
                    await state._waiter
                finally:
                    state._waiter = None
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            if buffer_of(state).startswith(b"\n", error.consumed):
                del state.buffer[: error.consumed + 1]
            else:
                state.buffer.clear()
            resume(state)
            raise ValueError(error.args[0])

    async def readuntil(self, separator=b"\n"):
        """Return what comes up to and with `separator`."""
        cdef ReaderState state = state_in(self)
        cdef Py_ssize_t searched = 0
        cdef Py_ssize_t end
        if type(separator) is not bytes or not separator or of_reader.changed():
            return await AsyncioReader.readuntil(self, separator)
        while True:
            end = end_of(state, separator, searched)
            if end >= 0:
                return take(state, end)
            searched = max(0, length_of(state) + 1 - len(separator))
            begin_to_wait(state, "readuntil")
            try:
                await state._waiter
            finally:
                state._waiter = None

    async def readexactly(self, n):
        """Return exactly `n` bytes."""
        cdef ReaderState state = state_in(self)
        cdef Py_ssize_t count = n
        if of_reader.changed():
            return await AsyncioReader.readexactly(self, n)
        if count < 0:
            raise ValueError("readexactly size can not be less than zero")
        if state._exception is not None:
            raise state._exception
        while length_of(state) < count:
            if state._eof:
                raise asyncio.IncompleteReadError(take(state, length_of(state)), count)
            begin_to_wait(state, "readexactly")
            try:
                await state._waiter
            finally:
                state._waiter = None
        return take(state, count)

    async def read(self, n=-1):
        """Return at most `n` bytes, as soon as there are some; without `n`, all to the end."""
        cdef ReaderState state = state_in(self)
        if n < 0 or of_reader.changed():
            return await AsyncioReader.read(self, n)
        if state._exception is not None:
            raise state._exception
        if n == 0:
            return b""
        if length_of(state) == 0 and not state._eof:
            begin_to_wait(state, "read")
            try:
                await state._waiter
            finally:
                state._waiter = None
        return take(state, min(n, length_of(state)))


for name in STATE:
    setattr(StreamReader, name, shown(name))
del name


cdef inline ReaderState state_in(reader):
    """Return the state that a reader of ours has."""
    cdef ReaderState state = reader._state
    if state is None:
        raise AttributeError("the reader's state was replaced by None")
    return state


cdef ReaderState state_of(reader, protocol):
    """Return the state of the reader of a protocol; None if it is of somebody else's class."""
    cdef ReaderState state
    if type(reader) is StreamReader:
        return state_in(reader)
    if type(reader) is not AsyncioReader:
        return None
    state = ReaderState.__new__(ReaderState)
    attributes = vars(reader)
    state.replaced = "feed_data" in attributes or "data_received" in vars(protocol)
    for name in STATE:
        setattr(state, name, attributes.pop(name))
    attributes["_state"] = state
    reader.__class__ = StreamReader
    state.reader = protocol._stream_reader_wr
    return state


cdef object exception_of(ReaderState state, reader):
    if of_reader.changed():
        return AsyncioReader.exception(reader)
    return state._exception


cdef int feed(protocol, ReaderState state, bytes data) except -1:
    if state.replaced or of_protocol.changed() or of_reader.changed():
        protocol.data_received(data)
        return 0
    # A reader that nobody holds any more: what comes for it is for nobody.
    if state.reader() is None:
        return 0
    if state._eof:
        raise AssertionError("feed_data after feed_eof")
    if PyBytes_GET_SIZE(data) == 0:
        return 0
    if state.whole is None and PyByteArray_GET_SIZE(state.buffer) == 0:
        state.whole = data
    else:
        append(buffer_of(state), data)
    waiter = state._waiter
    if waiter is not None:
        state._waiter = None
        if not waiter.cancelled():
            call_with(waiter, "set_result", None)
    if length_of(state) > 2 * state._limit and state._transport is not None and not state._paused:
        try:
            state._transport.pause_reading()
        except NotImplementedError:
            state._transport = None  # it cannot be paused: do not try again
        else:
            state._paused = True
    return 0


cdef inline Py_ssize_t length_of(ReaderState state) noexcept:
    if state.whole is not None:
        return PyBytes_GET_SIZE(state.whole)
    return PyByteArray_GET_SIZE(state.buffer)


cdef bytearray buffer_of(ReaderState state):
    """Return the buffer with all that came in it."""
    cdef bytes whole = state.whole
    if whole is not None:
        state.whole = None
        append(state.buffer, whole)
    return state.buffer


cdef int append(bytearray buffer, bytes data) except -1:
    cdef Py_ssize_t before = PyByteArray_GET_SIZE(buffer)
    PyByteArray_Resize(buffer, before + PyBytes_GET_SIZE(data))
    memcpy(PyByteArray_AS_STRING(buffer) + before, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return 0


cdef Py_ssize_t end_of(ReaderState state, bytes separator, Py_ssize_t searched) except -2:
    """Return where what ends with `separator` ends; -1 while it has not come."""
    cdef Py_ssize_t length = length_of(state)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(separator)
    cdef const char *begin
    cdef const char *found
    if state._exception is not None:
        raise state._exception
    if state.whole is not None:
        begin = PyBytes_AS_STRING(state.whole)
    else:
        begin = PyByteArray_AS_STRING(state.buffer)
    if length - searched >= size:
        found = <const char *> memmem(
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
    cdef bytearray buffer
    cdef bytes taken = state.whole
    if count == 0:
        return b""
    if taken is not None and PyBytes_GET_SIZE(taken) == count:
        state.whole = None
    else:
        buffer = buffer_of(state)
        taken = PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer), count)
        if count == PyByteArray_GET_SIZE(buffer):
            PyByteArray_Resize(buffer, 0)
        else:
            del buffer[:count]
    resume(state)
    return taken


cdef int resume(ReaderState state) except -1:
    """Receive again if too much had come, and enough of it was taken."""
    if state._paused and length_of(state) <= state._limit:
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
    if isinstance(state._loop, LoopCore):
        state._waiter = (<LoopCore> state._loop).new_future()
    else:
        state._waiter = state._loop.create_future()
    return 0
