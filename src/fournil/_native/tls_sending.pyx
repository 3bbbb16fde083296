# cython: binding=False, nonecheck=True
"""The sending side of TLS: from what the application writes to what its transport is handed.

What is written is encrypted at once and handed on. While the transport is full, or OpenSSL waits
for the peer, it waits in the clear, in the backlog.
"""

from asyncio import constants
from asyncio.log import logger

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from fournil._native.core cimport LoopCore
from fournil._native.outbox cimport Outbox
from fournil._native.sys.sockets cimport iovec
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

ticks_choose()

cdef enum:
    # How much is encrypted at once: what OpenSSL copies stays in the CPU's cache.
    PORTION = 64 * 1024
    PARTS = 64


cdef tuple limits(high, low, Py_ssize_t default):
    """Return water marks, as asyncio chooses what is not given."""
    if high is None:
        high = default if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return high, low


# Not cleared by the collector: finalizers of what is collected with it may still use it. It is in
# no cycle without an object that is.
@cython.no_gc_clear
cdef class Sending:
    """What the application wrote, and how far it got."""

    def __cinit__(self, *args, **kwargs):
        self.backlog = Outbox()

    def __init__(self, *args, **kwargs):
        raise TypeError(f"a {type(self).__name__} is half of a connection; make a TLSProtocol")

    cdef int begin_sending(self, LoopCore loop) except -1:
        self._loop = loop
        self.patience = loop.poll_interval
        return self.set_write_limits(None, None)

    cdef int all_sent(self) except -1:
        """Take that nothing waits to be sent any more, while the connection is closing."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it ends")

    cdef int fatal(self, error, message) except -1:
        """End the connection at once: something failed."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it ends")

    cdef int write(self, data) except -1:
        cdef Py_buffer buffer
        cdef Py_ssize_t portion, sent = 0
        if self.state > OPEN:
            if self.lost_writes >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                logger.warning("SSL connection is closed")
            self.lost_writes += 1
            return 0
        PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
        try:
            # What goes out whole is not kept first.
            if self.state == OPEN and not (self.backlog.size or self.transport_full) and buffer.len:
                portion = min(buffer.len, PORTION)
                if self.engine.encrypt(<char *> buffer.buf, portion):
                    sent = portion
                    self.send()
            if sent < buffer.len:
                self.backlog.add(data, sent)
                if sent:
                    self.flush()
        except Exception as error:
            self.fatal(error, "Fatal error on SSL protocol")
        finally:
            PyBuffer_Release(&buffer)
        return self.control_writing()

    cdef int write_lines(self, lines) except -1:
        cdef list parts = list(lines)
        cdef Py_ssize_t size = 0
        for part in parts:
            size += len(part)
        if size <= PORTION:
            return self.write(b"".join(parts))
        for part in parts:
            self.write(part)
        return 0

    cdef int send(self) except -1:
        """Hand to the transport what was encrypted."""
        cdef object data = self.engine.outgoing.read()
        if PyBytes_GET_SIZE(data) and self._transport is not None:
            self._transport.write(data)
        return 0

    cdef int flush(self) except -1:
        """Send what was kept, while the transport takes it; then close, if that waits for it."""
        cdef uint64_t began
        if self.state != OPEN and self.state != CLOSING:
            return 0
        began = ticks_now()
        while (
            self.backlog.size
            and not self.transport_full
            and self._transport is not None
            and not self._transport.is_closing()
        ):
            if not self.encrypt_next():
                break
            self.send()
            # A peer that reads as fast as this encrypts would keep the loop as long as it likes.
            if self.backlog.size and ticks_now() - began >= self.patience:
                return self.flush_later()
        if self.state == CLOSING and self.backlog.size == 0:
            return self.all_sent()
        return 0

    cdef int flush_later(self) except -1:
        """Go on in the next turn."""
        if not self.flush_due:
            self.flush_due = True
            self._loop.call_soon(self._flush)
        return 0

    def _flush(self):
        self.flush_due = False
        try:
            self.flush()
        except Exception as error:
            self.fatal(error, "Fatal error on SSL protocol")
        self.control_writing()

    cdef bint encrypt_next(self) except -1:
        """Encrypt the next portion of what was kept; return False where that has to wait."""
        cdef iovec parts[PARTS]
        cdef size_t count = self.backlog.show(parts, PARTS)
        cdef size_t used = 1
        cdef Py_ssize_t size = min(<Py_ssize_t> parts[0].iov_len, PORTION)
        cdef const char *data = <const char *> parts[0].iov_base
        # OpenSSL may call back, and what is called may empty the backlog.
        cdef bytes joined = self.backlog.chunks[self.backlog.first]
        # Each record costs as much as to encrypt 1 KiB or more.
        while used < count and size + <Py_ssize_t> parts[used].iov_len <= PORTION:
            size += parts[used].iov_len
            used += 1
        if used > 1:
            joined = join(parts, used, size)
            data = joined
        if not self.engine.encrypt(data, size):
            return False
        self.backlog.advance(size)
        return True

    cdef Py_ssize_t write_size(self) except -1:
        return self.backlog.size + <Py_ssize_t> self.engine.outgoing.pending

    def pause_writing(self):
        """Keep what is written from now on: the transport is full."""
        self.transport_full = True

    def resume_writing(self):
        """Send what was kept while the transport was full."""
        self.transport_full = False
        self._flush()

    cdef int control_writing(self) except -1:
        """Tell the application when to stop writing, and when to go on."""
        cdef object message
        if self._app_protocol is None:
            return 0
        try:
            if not self.writing_paused:
                if self.backlog.size <= self.write_high:
                    return 0
                self.writing_paused = True
                message = "protocol.pause_writing() failed"
                self._app_protocol.pause_writing()
            elif self.backlog.size <= self.write_low:
                self.writing_paused = False
                message = "protocol.resume_writing() failed"
                self._app_protocol.resume_writing()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._loop.call_exception_handler(
                {
                    "message": message,
                    "exception": error,
                    "transport": self._app_transport,
                    "protocol": self,
                }
            )
        return 0

    cdef int set_write_limits(self, high, low) except -1:
        self.write_high, self.write_low = limits(
            high, low, constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE * 1024
        )
        return self.control_writing()


cdef bytes join(iovec *parts, size_t count, Py_ssize_t size):
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, size)
    cdef char *place = joined
    cdef size_t i
    for i in range(count):
        memcpy(place, parts[i].iov_base, parts[i].iov_len)
        place += parts[i].iov_len
    return joined
