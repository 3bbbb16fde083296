# cython: binding=False, nonecheck=True
"""TLS over any transport: the life of one connection, between application and ciphertext.

| state | what is done with data of the peer | it ends by | and is then |
| --- | --- | --- | --- |
| new | kept, for the handshake | `connection_made` | handshake |
| handshake | is the handshake's | the handshake is done | open |
| open | delivered | `close`, or the peer's end | closing |
| closing | thrown away | all that was written is sent | shutdown |
| shutdown | thrown away | the peer answers, or its transport has ended | done |
| done, closed | thrown away | | |

Each becomes closed when the transport is lost, and at once when it is aborted or something fails;
the transport is then told to end, and later says that it has. No call of the transport's, of the
application's or of a timer is of one state alone: each comes whenever it likes.

`tls_sending` is the way out and `tls_receiving` the way in; `tls_engine` is OpenSSL.
"""

import asyncio
import ssl
from asyncio.log import logger

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from fournil._native.core cimport LoopCore
from fournil._native.tls_engine cimport Engine
from fournil._native.tls_receiving cimport MADE, EOF, LOST, NOTHING
from fournil._native.tls_scratch cimport scratch_for
from fournil._native.tls_sending cimport (
    CLOSED,
    CLOSING,
    DONE,
    HANDSHAKE,
    NEW,
    OPEN,
    SHUTDOWN,
)

cdef tuple STATES = ("new", "handshake", "open", "closing", "shutdown", "closing", "closed")

cdef object SSLError = ssl.SSLError


@cython.no_gc_clear  # see Sending
cdef class TLSCore(Receiving):
    """One TLS connection; `TLSProtocol` makes an asyncio protocol of it."""

    def __init__(
        self,
        LoopCore loop not None,
        app_protocol,
        sslcontext,
        waiter,
        server_side,
        server_hostname,
        call_connection_made,
        handshake_timeout,
        shutdown_timeout,
    ):
        self._sslcontext = sslcontext
        self.waiter = waiter
        self.handshake_timeout = handshake_timeout
        self.shutdown_timeout = shutdown_timeout
        self.extra = {"sslcontext": sslcontext}
        self.engine = Engine(sslcontext, server_side, server_hostname)
        self.begin_sending(loop)
        self.set_read_limits(None, None)
        self.told = NOTHING if call_connection_made else MADE
        self.set_protocol(app_protocol)

    @property
    def _sslobj(self):
        return self.engine.sslobj

    def __repr__(self):
        return f"<{type(self).__name__} {STATES[self.state]} over {self._transport!r}>"

    cdef int become(self, State state) except -1:
        """Go on to another state: the next one, or closed."""
        assert state == CLOSED or state == self.state + 1
        self.state = state
        return 0

    # The transport's side: asyncio's protocol.

    def connection_made(self, transport):
        """Begin the handshake over a transport."""
        self._transport = transport
        if self.scratch is None:
            self.scratch = scratch_for(self._loop, transport)
        if self.closed or self.state != NEW:
            self.force_close(None)
            return
        self.become(HANDSHAKE)
        if self._loop.get_debug():
            logger.debug("%r starts SSL handshake", self)
            self.handshake_began = self._loop.time()
        self.handshake_timer = self._loop.call_later(
            self.handshake_timeout, self._handshake_timed_out
        )
        self.handshake()
        if self.eof and self.state == HANDSHAKE:
            self.handshake_failed(ConnectionResetError())

    cdef int arrived(self, const char *data, Py_ssize_t size) except -1:
        if self.state == OPEN:
            return self.deliver(data, size)
        if self.state >= DONE:
            return 0
        self.engine.feed(data, size)
        if self.state == HANDSHAKE:
            return self.handshake()
        return self.discard_or_shutdown()

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
        return self.state == NEW or self.state == CLOSING

    def connection_lost(self, error):
        """Take the end of the transport."""
        cdef object protocol = self._app_protocol
        self.closed = True
        self.become(CLOSED)
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
        self.wake_waiter(
            error or ConnectionAbortedError("the connection was closed during the TLS handshake")
        )

    # The handshake.

    def _feed(self, bytes data not None):
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
        self.cancel_timers()
        try:
            peercert = sslobj.getpeercert()
        except Exception as error:
            return self.handshake_failed(error)
        self.become(OPEN)
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
        return self.deliver(NULL, 0) if self.state == OPEN else 0

    cdef int handshake_failed(self, error) except -1:
        cdef object message = "SSL handshake failed"
        if isinstance(error, ssl.CertificateError):
            message = "SSL handshake failed on verifying the certificate"
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

    # The end.

    cdef int close(self) except -1:
        self.closed = True
        if self.state == HANDSHAKE:
            return self.force_close(None)
        if self.state == OPEN:
            return self.begin_close()
        return 0

    cdef int peer_closed(self) except -1:
        self.tell_eof()
        return self.begin_close()

    cdef int begin_close(self) except -1:
        """Send what was kept, then tell the peer."""
        if self.state != OPEN:
            return 0
        self.closed = True
        self.become(CLOSING)
        self.shutdown_timer = self._loop.call_later(
            self.shutdown_timeout, self._shutdown_timed_out
        )
        self.control_reading()
        return self.flush()

    cdef int all_sent(self) except -1:
        return self.shutdown()

    cdef int discard_or_shutdown(self) except -1:
        if self.state == SHUTDOWN:
            return self.shutdown()
        if self.state == CLOSING:
            try:
                return self.engine.discard()
            except SSLError as error:
                return self.fatal(error, "Fatal error on SSL protocol")
        return 0

    cdef int shutdown(self) except -1:
        """Tell the peer that this is the end, and look whether it did so too."""
        cdef bint first = self.state != SHUTDOWN
        if first:
            self.become(SHUTDOWN)
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
        # What was told last may have ended the connection.
        if self.state != SHUTDOWN:
            return 0
        # The timer stays: the transport's own buffer may never be sent.
        self.become(DONE)
        if self._transport is not None:
            self._loop.call_soon(self._transport.close)
        return 0

    def _shutdown_timed_out(self):
        if self._transport is not None:
            self.force_close(TimeoutError("SSL shutdown timed out"))

    cdef int force_close(self, error) except -1:
        self.closed = True
        self.become(CLOSED)
        if self._transport is not None:
            force(self._transport, error)
        return 0

    cdef int fatal(self, error, message) except -1:
        cdef object transport = self._transport
        self.become(CLOSED)
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

    # What the application's transport asks.

    cdef object get_extra(self, name, default):
        if name in self.extra:
            return self.extra[name]
        if self._transport is not None:
            return self._transport.get_extra_info(name, default)
        return default


cdef int force(transport, error) except -1:
    """End a transport at once; asyncio's pass the reason on, others' need not."""
    force_close = getattr(transport, "_force_close", None)
    if force_close is None:
        transport.abort()
    else:
        force_close(error)
    return 0
