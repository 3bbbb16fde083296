"""What asyncio asks of a loop to make transports and servers; all are native."""

from __future__ import annotations

import asyncio
import asyncio.constants
import socket
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from fournil._native import datagrams, listener, transport

if TYPE_CHECKING:
    import ssl
    from contextvars import Context

DATAGRAM_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class TransportMaking(asyncio.SelectorEventLoop):
    """The methods of a loop by which asyncio makes transports, servers, and TLS over them."""

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: asyncio.AbstractServer | None = None,
        context: Context | None = None,
    ) -> asyncio.Transport:
        return transport.adopt(
            self, sock, protocol, waiter, extra=extra, server=server, context=context
        )

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> asyncio.DatagramTransport:
        # A subclass may have methods of its own, and addresses of other families are tuples
        # that the `socket` module alone knows.
        if type(sock) is not socket.socket or sock.family not in DATAGRAM_FAMILIES:
            asyncios: asyncio.DatagramTransport = super()._make_datagram_transport(  # type: ignore[misc]  # type stubs leave it out
                sock, protocol, address, waiter, extra
            )
            return asyncios
        return datagrams.adopt(self, sock, protocol, address, waiter, extra)

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: ssl.SSLContext | None = None,
        server: asyncio.AbstractServer | None = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = asyncio.constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = asyncio.constants.SSL_SHUTDOWN_TIMEOUT,
        context: Context | None = None,
    ) -> None:
        listener.listen(
            self,
            protocol_factory,
            sock,
            sslcontext,
            server,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            context,
        )

    def _stop_serving(self, sock: socket.socket) -> None:
        listener.stop_listening(self, sock)
        super()._stop_serving(sock)  # type: ignore[misc]  # type stubs leave it out

    async def _sendfile_native(
        self, transp: transport.StreamTransport, file: IO[bytes], offset: int, count: int | None
    ) -> int:
        sent_before = transp._make_empty_waiter()
        reading = transp.is_reading()
        transp.pause_reading()
        try:
            await sent_before
            sock = transp._lend()
            try:
                return await self.sock_sendfile(sock, file, offset, count, fallback=False)
            finally:
                transp._take_back()
        except asyncio.SendfileNotAvailableError:
            if transp.is_closing():
                raise ConnectionError(
                    "the connection was closed before the file was sent"
                ) from None
            raise
        finally:
            transp._reset_empty_waiter()
            if reading:
                transp.resume_reading()

    # TLS. Its modules are imported when the first connection needs them: a Python may have no ssl.

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: asyncio.Server | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Transport | None:
        from fournil._native.tls_transport import TLSProtocol

        tls = TLSProtocol(self, protocol, sslcontext, waiter, **options)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server, context=context)
        return tls._app_transport

    async def start_tls(
        self,
        transport: asyncio.BaseTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport | None:
        """Upgrade a connection to TLS; return the transport that its protocol uses from now on.

        Args:
            transport: what carries the ciphertext from now on: a transport of this loop.
            protocol: the protocol of the connection.
            sslcontext: how to encrypt.
            server_side: whether this side is the server.
            server_hostname: whom a client wants to speak to; None where it does not matter.
            ssl_handshake_timeout: how many seconds the handshake may take, 60 unless given.
            ssl_shutdown_timeout: how many seconds the end may take, 30 unless given.

        Raises:
            TypeError: what is given as context or transport cannot be used.
            ssl.SSLError: the handshake failed.
            ConnectionError: it was interrupted, or took too long, or the transport was closed.
        """
        import ssl

        from fournil._native.tls_transport import TLSProtocol

        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        if transport.is_closing():
            # asyncio's waits for its end, which may have come before: then for the whole timeout.
            raise ConnectionAbortedError(f"{transport!r} is closed: TLS cannot begin there")
        carrier: Any = transport
        waiter: Any = self.create_future()
        tls = TLSProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            call_connection_made=False,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        if server_side and isinstance(protocol, asyncio.StreamReaderProtocol):
            # What a client sent behind its last line in the clear is the handshake, or forged.
            reader: Any = getattr(protocol, "_stream_reader", None)
            if reader is not None and reader._buffer:
                tls._feed(bytes(reader._buffer))
                reader._buffer.clear()
        # What comes before the protocol has its transport has to wait.
        carrier.pause_reading()
        carrier.set_protocol(tls)
        made = self.call_soon(tls.connection_made, transport)
        resumed = self.call_soon(carrier.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            made.cancel()
            resumed.cancel()
            raise
        finally:
            # An exception in it has this frame in its traceback.
            waiter = None
        return tls._app_transport
