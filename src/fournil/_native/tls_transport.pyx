# cython: nonecheck=True
"""TLS as asyncio has it: a transport for the application, a protocol for what carries it."""

import asyncio.constants
import asyncio.transports
import ssl
import warnings

from fournil._native.tls cimport TLSCore


class SSLTransport(asyncio.transports._FlowControlMixin, asyncio.Transport):
    """What an application writes to and is read for; made by `TLSProtocol` only.

    It is asyncio's `Transport`, with its limits for reading added, and without `write_eof`: what
    ends one direction of TLS ends both.
    """

    __slots__ = ("__dict__", "__weakref__", "_ssl_protocol")

    _start_tls_compatible = True
    _sendfile_compatible = asyncio.constants._SendfileMode.FALLBACK

    def __init__(self, loop, ssl_protocol):
        self._loop = loop
        self._ssl_protocol = ssl_protocol

    def __repr__(self):
        cdef TLSCore core = self._ssl_protocol
        state = "closing" if core.closed else "open"
        return f"<{type(self).__name__} {state} over {core._transport!r}>"

    def __del__(self, _warn=warnings.warn):
        cdef TLSCore core = self._ssl_protocol
        if not core.closed:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            core.closed = True

    def get_extra_info(self, name, default=None):
        """Return what is known of the connection: of its TLS, or of what carries it."""
        cdef TLSCore core = self._ssl_protocol
        return core.get_extra(name, default)

    def set_protocol(self, protocol):
        """Have another protocol told of what happens from now on."""
        cdef TLSCore core = self._ssl_protocol
        core.set_protocol(protocol)

    def get_protocol(self):
        """Return the application's protocol, None once it was told that the connection is lost."""
        cdef TLSCore core = self._ssl_protocol
        return core._app_protocol

    def is_closing(self):
        """Return whether the connection is closed, or about to be."""
        cdef TLSCore core = self._ssl_protocol
        return core.closed or core._transport is not None and core._transport.is_closing()

    def close(self):
        """Send what was written, tell the peer, and close; nothing is received any more."""
        cdef TLSCore core = self._ssl_protocol
        core.close()

    def abort(self):
        """Close at once; what was written may be lost."""
        cdef TLSCore core = self._ssl_protocol
        core.force_close(None)

    def _force_close(self, exc):
        cdef TLSCore core = self._ssl_protocol
        core.force_close(exc)

    def is_reading(self):
        """Return whether the protocol is told of what the peer sends."""
        cdef TLSCore core = self._ssl_protocol
        return not core.reading_paused

    def pause_reading(self):
        """Do not tell the protocol of what the peer sends, until `resume_reading`."""
        cdef TLSCore core = self._ssl_protocol
        core.pause_reading()

    def resume_reading(self):
        """Tell the protocol again of what the peer sends."""
        cdef TLSCore core = self._ssl_protocol
        core.resume_reading()

    def set_write_buffer_limits(self, high=None, low=None):
        """Set from how many bytes on, and down to how many, the protocol is to stop writing."""
        cdef TLSCore core = self._ssl_protocol
        core.set_write_limits(high, low)

    def get_write_buffer_limits(self):
        """Return these limits, the lower first."""
        cdef TLSCore core = self._ssl_protocol
        return core.write_low, core.write_high

    def get_write_buffer_size(self):
        """Return how many bytes wait to be encrypted."""
        cdef TLSCore core = self._ssl_protocol
        return core.write_size()

    def set_read_buffer_limits(self, high=None, low=None):
        """Set how many bytes may come while reading is paused; for more the peer has to wait."""
        cdef TLSCore core = self._ssl_protocol
        core.set_read_limits(high, low)

    def get_read_buffer_limits(self):
        """Return these limits, the lower first."""
        cdef TLSCore core = self._ssl_protocol
        return core.read_low, core.read_high

    def get_read_buffer_size(self):
        """Return how many bytes of ciphertext wait to be read."""
        cdef TLSCore core = self._ssl_protocol
        return core.engine.incoming.pending

    @property
    def _protocol_paused(self):
        # asyncio's sendfile asks whether it has to wait before it writes.
        cdef TLSCore core = self._ssl_protocol
        return core.writing_paused

    def write(self, data):
        """Send some bytes; what cannot be sent at once is kept."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data: expecting a bytes-like instance, got {type(data).__name__}")
        cdef TLSCore core = self._ssl_protocol
        core.write(data)

    def writelines(self, list_of_data):
        """Send some bytes after others, in as few records as possible."""
        cdef TLSCore core = self._ssl_protocol
        core.write_lines(list_of_data)

    def can_write_eof(self):
        """Return False: what ends one direction of TLS ends both."""
        return False

    def write_eof(self):
        """Raise NotImplementedError: `close` the transport instead."""
        raise NotImplementedError(
            "TLS cannot end one direction alone; close() the transport instead"
        )


class TLSProtocol(TLSCore, asyncio.BufferedProtocol):
    """A protocol that runs TLS over its transport, and `_app_transport` on top of it.

    Args:
        loop: the loop that both belong to.
        app_protocol: the protocol of what is decrypted.
        sslcontext: an `ssl.SSLContext`; None is a client's default context.
        waiter: a future that is done when the handshake is, or None.
        server_side: whether this side is the server.
        server_hostname: whom a client wants to speak to.
        call_connection_made: False where `app_protocol` has a transport already.
        ssl_handshake_timeout: seconds, 60 unless given.
        ssl_shutdown_timeout: seconds, 30 unless given.
    """

    def __init__(
        self,
        loop,
        app_protocol,
        sslcontext,
        waiter,
        server_side=False,
        server_hostname=None,
        *,
        call_connection_made=True,
        ssl_handshake_timeout=None,
        ssl_shutdown_timeout=None,
    ):
        super().__init__(
            loop,
            app_protocol,
            sslcontext or default_context(server_side, server_hostname),
            waiter,
            server_side,
            server_hostname,
            call_connection_made,
            seconds(
                ssl_handshake_timeout,
                "ssl_handshake_timeout",
                asyncio.constants.SSL_HANDSHAKE_TIMEOUT,
            ),
            seconds(
                ssl_shutdown_timeout,
                "ssl_shutdown_timeout",
                asyncio.constants.SSL_SHUTDOWN_TIMEOUT,
            ),
        )
        self._app_transport = SSLTransport(loop, self)

    # asyncio's own name.

    @property
    def _app_reading_paused(self):
        cdef TLSCore core = self
        return bool(core.reading_paused)


cdef object default_context(server_side, server_hostname):
    if server_side:
        raise ValueError("Server side SSL needs a valid SSLContext")
    context = ssl.create_default_context()
    if not server_hostname:
        context.check_hostname = False
    return context


cdef object seconds(value, name, default):
    if value is None:
        return default
    if value <= 0:
        raise ValueError(f"{name} should be a positive number, got {value}")
    return value
