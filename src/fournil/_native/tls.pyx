# cython: binding=False
"""TLS over any transport: the state of one connection, between application and ciphertext.

A transport writes what the peer sent into a buffer, from which it is decrypted into what the
application receives; what is to be sent is encrypted and handed to the transport. What the
application writes waits in the clear while the transport is full, and what the peer sends waits
encrypted while the application does not read.
"""

import asyncio
import ssl
from asyncio import constants
from asyncio.log import logger

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from fournil._native.core cimport LoopCore
from fournil._native.outbox cimport Outbox
from fournil._native.reader cimport feed
from fournil._native.stream_protocol cimport reader_fed_by
from fournil._native.sys.sockets cimport iovec
from fournil._native.sys.ticks cimport ticks_choose, ticks_now
from fournil._native.tls_engine cimport Engine
from fournil._native.tls_scratch cimport scratch_for

ticks_choose()

cdef enum:
    # What a connection does.
    NEW = 0             # it waits for its transport
    HANDSHAKE = 1
    OPEN = 2
    CLOSING = 3         # what was written is still being sent
    SHUTDOWN = 4        # the peer was told, and has not answered
    DONE = 5            # the transport was told to close
    CLOSED = 6

    # What the application's protocol was told last.
    NOTHING = 0
    MADE = 1
    EOF = 2
    LOST = 3

    # How much is encrypted at once: what OpenSSL copies stays in the CPU's cache.
    PORTION = 64 * 1024
    PARTS = 64

cdef tuple STATES = ("new", "handshake", "open", "closing", "shutdown", "closing", "closed")

cdef object SSLError = ssl.SSLError
cdef object BufferedProtocol = asyncio.BufferedProtocol


cdef tuple limits(high, low, Py_ssize_t default):
    """Return water marks, as asyncio chooses what is not given."""
    if high is None:
        high = default if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return high, low


cdef class TLSCore:
    """One TLS connection; `TLSProtocol` makes an asyncio protocol of it."""

    def __init__(
        self,
        loop,
        app_protocol,
        sslcontext,
        waiter,
        server_side,
        server_hostname,
        call_connection_made,
        handshake_timeout,
        shutdown_timeout,
    ):
        cdef LoopCore core = loop
        self._loop = loop
        self.patience = core.poll_interval
        self._sslcontext = sslcontext
        self.waiter = waiter
        self.handshake_timeout = handshake_timeout
        self.shutdown_timeout = shutdown_timeout
        self.extra = {"sslcontext": sslcontext}
        self.told = NOTHING if call_connection_made else MADE
        self.set_protocol(app_protocol)
        self.engine = Engine(sslcontext, server_side, server_hostname)
        self.backlog = Outbox()
        self.read_high, self.read_low = limits(
            None, None, constants.FLOW_CONTROL_HIGH_WATER_SSL_READ * 1024
        )
        self.write_high, self.write_low = limits(
            None, None, constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE * 1024
        )

    @property
    def _sslobj(self):
        return self.engine.sslobj

    def __repr__(self):
        return f"<{type(self).__name__} {STATES[self.state]} over {self._transport!r}>"

    # The transport's side: asyncio's protocol.

    def connection_made(self, transport):
        """Begin the handshake over a transport."""
        self._transport = transport
        self.scratch = scratch_for(self._loop, transport)
        if self.closed:
            self.force_close(None)
            return
        self.state = HANDSHAKE
        if self._loop.get_debug():
            logger.debug("%r starts SSL handshake", self)
            self.handshake_began = self._loop.time()
        self.handshake_timer = self._loop.call_later(
            self.handshake_timeout, self._handshake_timed_out
        )
        self.handshake()

    def get_buffer(self, sizehint):
        """Return what the transport may write ciphertext into."""
        return self.scratch.view

    def buffer_updated(self, nbytes):
        """Take what the transport wrote into the buffer."""
        cdef Py_ssize_t size = nbytes
        cdef const char *data = PyByteArray_AS_STRING(self.scratch.memory)
        if self.state == OPEN:
            self.deliver(data, size)
        elif self.state == HANDSHAKE:
            self.engine.feed(data, size)
            self.handshake()
        elif self.state == CLOSING or self.state == SHUTDOWN:
            self.engine.feed(data, size)
            self.discard_or_shutdown()

    def eof_received(self):
        """Take the end of the transport's input; return whether to keep its output open."""
        self.eof = True
        if self._loop.get_debug():
            logger.debug("%r received EOF", self)
        try:
            if self.state == HANDSHAKE:
                self.handshake_failed(ConnectionResetError())
            elif self.state == OPEN:
                if self.reading_paused:
                    return True
                self.peer_closed()
            elif self.state == SHUTDOWN:
                self.shutdown()
        except Exception:
            if self._transport is not None:
                self._transport.close()
            raise
        return self.state == CLOSING

    def pause_writing(self):
        """Keep what is written from now on: the transport is full."""
        self.transport_full = True

    def resume_writing(self):
        """Send what was kept while the transport was full."""
        self.transport_full = False
        self._flush()

    def connection_lost(self, error):
        """Take the end of the transport."""
        cdef object protocol = self._app_protocol
        self.closed = True
        self.state = CLOSED
        self.lost_writes += 1
        self.backlog.clear()
        if self.told == MADE or self.told == EOF:
            self.told = LOST
            self._loop.call_soon(protocol.connection_lost, error)
        self._transport = None
        self._app_transport = None
        self._app_protocol = None
        self.reader = None
        self.cancel_timers()
        if self.waiter is not None:
            self.wake_waiter(
                error
                or ConnectionAbortedError("the connection was closed during the TLS handshake")
            )

    # The handshake.

    def _feed(self, data):
        """Take what the peer sent before there was a transport for it."""
        self.engine.feed(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def _handshake_timed_out(self):
        if self.state == HANDSHAKE:
            self.fatal(
                ConnectionAbortedError(
                    f"SSL handshake is taking longer than {self.handshake_timeout} seconds: "
                    "aborting the connection"
                ),
                "Fatal error on transport",
            )

    cdef int handshake(self) except -1:
        try:
            done = self.engine.handshake()
        except SSLError as error:
            # The alert that says why.
            self.send()
            return self.handshake_failed(error)
        return self.handshake_done() if done else self.send()

    cdef int handshake_done(self) except -1:
        cdef object sslobj = self.engine.sslobj
        self.handshake_timer.cancel()
        self.handshake_timer = None
        try:
            peercert = sslobj.getpeercert()
        except Exception as error:
            return self.handshake_failed(error)
        self.state = OPEN
        if self._loop.get_debug():
            took = self._loop.time() - self.handshake_began
            logger.debug("%r: SSL handshake took %.1f ms", self, took * 1e3)
        self.extra["peercert"] = peercert
        self.extra["cipher"] = sslobj.cipher()
        self.extra["compression"] = sslobj.compression()
        self.extra["ssl_object"] = sslobj
        if self.told == NOTHING:
            self.told = MADE
            self._app_protocol.connection_made(self._app_transport)
        self.wake_waiter(None)
        if self.state == OPEN:
            self.deliver(NULL, 0)
        return 0

    cdef int handshake_failed(self, error) except -1:
        cdef object message = "SSL handshake failed"
        if isinstance(error, ssl.CertificateError):
            message = "SSL handshake failed on verifying the certificate"
        self.state = CLOSED
        self.fatal(error, message)
        self.cancel_timers()
        return self.wake_waiter(error)

    cdef int wake_waiter(self, error) except -1:
        cdef object waiter = self.waiter
        self.waiter = None
        if waiter is None or waiter.done():
            return 0
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
        return 0

    # What the peer sends.

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
                self.peer_closed()
                return 0
        if size and self.state <= SHUTDOWN:
            engine.feed(data, size)
            self.discard_or_shutdown()
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

    cdef int discard_or_shutdown(self) except -1:
        if self.state == SHUTDOWN:
            return self.shutdown()
        if self.state == CLOSING:
            try:
                return self.engine.discard()
            except SSLError as error:
                return self.fatal(error, "Fatal error on SSL protocol")
        return 0

    cdef int peer_closed(self) except -1:
        self.tell_eof()
        return self.begin_close()

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

    # What the application writes.

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
        while self.backlog.size and not self.transport_full and not self._transport.is_closing():
            if not self.encrypt_next():
                break
            self.send()
            # A peer that reads as fast as this encrypts would keep the loop as long as it likes.
            if self.backlog.size and ticks_now() - began >= self.patience:
                return self.flush_later()
        if self.state == CLOSING and self.backlog.size == 0:
            return self.shutdown()
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
        cdef bytes joined
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

    cdef int control_writing(self) except -1:
        """Tell the application when to stop writing, and when to go on."""
        cdef object message
        try:
            if not self.writing_paused:
                if self.backlog.size <= self.write_high:
                    return 0
                self.writing_paused = True
                message = "protocol.pause_writing() failed"
                self._app_protocol.pause_writing()
            elif self.backlog.size <= self.write_low and self._app_protocol is not None:
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

    # The end.

    cdef int close(self) except -1:
        self.closed = True
        if self.state == HANDSHAKE:
            return self.force_close(None)
        if self.state == OPEN:
            return self.begin_close()
        return 0

    cdef int begin_close(self) except -1:
        """Send what was kept, then tell the peer."""
        if self.state != OPEN:
            return 0
        self.closed = True
        self.state = CLOSING
        self.shutdown_timer = self._loop.call_later(
            self.shutdown_timeout, self._shutdown_timed_out
        )
        self.control_reading()
        return self.flush()

    cdef int shutdown(self) except -1:
        """Tell the peer that this is the end, and look whether it did so too."""
        cdef bint first = self.state != SHUTDOWN
        self.state = SHUTDOWN
        if not self.eof:
            try:
                if first:
                    self.engine.discard()
                if not self.engine.shutdown():
                    return self.send()
            except SSLError as error:
                self.send()
                return self.fatal(error, "Fatal error on transport")
        self.send()
        self.tell_eof()
        return self.shutdown_done()

    cdef int shutdown_done(self) except -1:
        # The timer stays: the transport's own buffer may never be sent.
        self.state = DONE
        if self._transport is not None:
            self._loop.call_soon(self._transport.close)
        return 0

    def _shutdown_timed_out(self):
        if self._transport is not None:
            force(self._transport, TimeoutError("SSL shutdown timed out"))

    cdef int force_close(self, error) except -1:
        self.closed = True
        self.state = CLOSED
        if self._transport is not None:
            force(self._transport, error)
        return 0

    cdef int fatal(self, error, message) except -1:
        cdef object transport = self._transport
        if transport is not None:
            force(transport, error)
        if isinstance(error, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=error)
        elif not isinstance(error, asyncio.CancelledError):
            self._loop.call_exception_handler(
                {
                    "message": message,
                    "exception": error,
                    "transport": transport,
                    "protocol": self,
                }
            )
        return 0

    cdef int cancel_timers(self) except -1:
        if self.handshake_timer is not None:
            self.handshake_timer.cancel()
            self.handshake_timer = None
        if self.shutdown_timer is not None:
            self.shutdown_timer.cancel()
            self.shutdown_timer = None
        return 0

    # What the application's transport asks and sets.

    cdef int set_protocol(self, protocol) except -1:
        self._app_protocol = protocol
        self.buffered = isinstance(protocol, BufferedProtocol)
        self.reader = reader_fed_by(protocol)
        return 0

    cdef object get_extra(self, name, default):
        if name in self.extra:
            return self.extra[name]
        if self._transport is not None:
            return self._transport.get_extra_info(name, default)
        return default

    cdef int set_write_limits(self, high, low) except -1:
        self.write_high, self.write_low = limits(
            high, low, constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE * 1024
        )
        return self.control_writing()

    cdef int set_read_limits(self, high, low) except -1:
        self.read_high, self.read_low = limits(
            high, low, constants.FLOW_CONTROL_HIGH_WATER_SSL_READ * 1024
        )
        return self.control_reading()


cdef bytes join(iovec *parts, size_t count, Py_ssize_t size):
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, size)
    cdef char *place = joined
    cdef size_t i
    for i in range(count):
        memcpy(place, parts[i].iov_base, parts[i].iov_len)
        place += parts[i].iov_len
    return joined


cdef int force(transport, error) except -1:
    """End a transport at once; asyncio's pass the reason on, others' need not."""
    force_close = getattr(transport, "_force_close", None)
    if force_close is None:
        transport.abort()
    else:
        force_close(error)
    return 0
