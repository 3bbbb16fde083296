# cython: binding=False, nonecheck=True
"""The receiving side of TLS: from the ciphertext that a transport writes into a buffer of ours to
what the application's protocol is called with.

What the peer sends waits encrypted while the application does not read; the transport is stopped
when too much of it waits.
"""

import asyncio
from asyncio import constants
from asyncio.log import logger

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_GET_SIZE

from fournil._native.reader cimport feed
from fournil._native.stream_protocol cimport reader_fed_by
from fournil._native.tls_engine cimport Engine
from fournil._native.tls_scratch cimport Scratch, scratch_for
from fournil._native.tls_sending cimport OPEN, SHUTDOWN, limits

cdef object BufferedProtocol = asyncio.BufferedProtocol


@cython.no_gc_clear  # see Sending
cdef class Receiving(Sending):
    """What the peer sent, and how far the application has read it."""

    cdef int arrived(self, const char *data, Py_ssize_t size) except -1:
        """Take what came from the peer, in whatever state the connection is."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does with data")

    cdef int discard_or_shutdown(self) except -1:
        """Take that data was put into the engine which the application does not get."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does with data")

    cdef int peer_closed(self) except -1:
        """Take that the peer sends no more."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it ends")

    def get_buffer(self, sizehint):
        """Return what the transport may write ciphertext into."""
        cdef Scratch scratch = self.scratch
        if scratch is None or scratch.busy:
            # What is in it is being delivered, and a loop that runs inside that reads on.
            self.scratch = scratch = scratch_for(self._loop, self._transport)
        return scratch.view

    def buffer_updated(self, nbytes):
        """Take what the transport wrote into the buffer."""
        cdef Py_ssize_t size = nbytes
        cdef Scratch scratch = self.scratch
        if scratch is None or scratch.busy or not 0 <= size <= PyByteArray_GET_SIZE(scratch.memory):
            raise ValueError(f"{nbytes} bytes are not what there was room for")
        scratch.busy = True
        try:
            self.arrived(PyByteArray_AS_STRING(scratch.memory), size)
        finally:
            scratch.busy = False

    cdef int deliver(self, const char *data, Py_ssize_t size) except -1:
        """Hand to the application what the peer sent before, and in `data`."""
        try:
            self.deliver_all(data, size)
            self.flush()
            self.send()
            self.control_writing()
            self.control_reading()
        except Exception as error:
            self.fatal(error, "Fatal error on SSL protocol")
        return 0

    cdef int deliver_all(self, const char *data, Py_ssize_t size) except -1:
        cdef Engine engine = self.engine
        while (
            self.state == OPEN
            and not self.reading_paused
            and (size or engine.has_record())
        ):
            if self.buffered:
                self.deliver_buffer(&data, &size)
            else:
                received = engine.collect(&data, &size)
                if PyBytes_GET_SIZE(received) == 0:
                    pass
                elif self.reader is not None:
                    feed(self._app_protocol, self.reader, received)
                else:
                    self._app_protocol.data_received(received)
            if engine.failure is not None:
                failure, engine.failure = engine.failure, None
                raise failure
            if engine.ended:
                return self.peer_closed()
        if size and self.state <= SHUTDOWN:
            engine.feed(data, size)
            return self.discard_or_shutdown()
        return 0

    cdef int deliver_buffer(self, const char **data, Py_ssize_t *size) except -1:
        """Fill one of the application's buffers."""
        cdef Engine engine = self.engine
        cdef Py_buffer buffer
        cdef Py_ssize_t filled
        if not engine.has_record():
            engine.feed_portion(data, size)
            if not engine.has_record():
                return 0
        PyObject_GetBuffer(
            self._app_protocol.get_buffer(engine.incoming.pending), &buffer, PyBUF_WRITABLE
        )
        try:
            if buffer.len == 0:
                raise RuntimeError(
                    "get_buffer() returned an empty buffer; return one with room for a byte"
                )
            filled = engine.fill(<char *> buffer.buf, buffer.len, data, size)
        finally:
            PyBuffer_Release(&buffer)
        if filled:
            self._app_protocol.buffer_updated(filled)
        return 0

    cdef int tell_eof(self) except -1:
        if self.told != MADE:
            return 0
        self.told = EOF
        try:
            if self._app_protocol.eof_received():
                logger.warning("returning true from eof_received() has no effect when using ssl")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self.fatal(error, "Error calling eof_received()")
        return 0

    cdef int pause_reading(self) except -1:
        self.reading_paused = True
        return 0

    cdef int resume_reading(self) except -1:
        if self.reading_paused:
            self.reading_paused = False
            self._loop.call_soon(self._resume)
        return 0

    def _resume(self):
        if self.state != OPEN:
            return
        self.deliver(NULL, 0)
        if self.eof and self.state == OPEN and not self.reading_paused:
            self.peer_closed()

    cdef int control_reading(self) except -1:
        """Stop the transport while the application does not read what is there."""
        cdef Py_ssize_t size
        if self._transport is None or not (self.reading_paused or self.transport_paused):
            return 0
        # Of an incomplete record the rest must come, whatever the limits.
        size = self.engine.waiting()
        if size > self.read_high and not self.transport_paused and self.state == OPEN:
            self.transport_paused = True
            self._transport.pause_reading()
        elif self.transport_paused and (size <= self.read_low or self.state != OPEN):
            self.transport_paused = False
            self._transport.resume_reading()
        return 0

    cdef int set_protocol(self, protocol) except -1:
        self._app_protocol = protocol
        self.buffered = isinstance(protocol, BufferedProtocol)
        self.reader = reader_fed_by(protocol)
        return 0

    cdef int set_read_limits(self, high, low) except -1:
        self.read_high, self.read_low = limits(
            high, low, constants.FLOW_CONTROL_HIGH_WATER_SSL_READ * 1024
        )
        return self.control_reading()
