# cython: nonecheck=True
"""The transport of a stream: what protocols and users hold, with asyncio's interface.

A native class cannot inherit from `asyncio.Transport`, whose instances have a layout of their
own, and libraries test `isinstance(x, asyncio.Transport)`. So the transport is a Python class
that is one, and hands each call on to its native stream.
"""

import asyncio.constants
import asyncio.transports
import asyncio.trsock
import socket
import warnings

from fournil._native.addresses cimport raw_address
from fournil._native.core cimport LoopCore
from fournil._native.endpoint cimport Endpoint
from fournil._native.stream cimport Stream, check_data
from fournil._native.sys.epoll cimport EPOLLIN
from fournil._native.sys.sockets cimport SOCK_STREAM

cdef object Socket = socket.socket
cdef object TransportSocket = asyncio.trsock.TransportSocket


def wake(waiter):
    """Tell who waits for a connection that it is made; it may have been cancelled."""
    if not waiter.done():
        waiter.set_result(None)


class _HasEndpoint(asyncio.transports._FlowControlMixin):
    """Holds the endpoint in a slot, which is found faster than a name in a dictionary."""

    __slots__ = ("_endpoint",)


class SocketTransport(_HasEndpoint):
    """What transports over a socket share."""

    def __init__(self, endpoint):
        self._endpoint = endpoint
        self._extra = None

    def __del__(self):
        cdef Endpoint endpoint = self._endpoint
        if endpoint.fd >= 0:
            try:
                warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            finally:
                endpoint.close_descriptor()

    def __repr__(self):
        cdef Endpoint endpoint = self._endpoint
        info = [type(self).__name__]
        if endpoint.fd < 0:
            info.append("closed")
        else:
            if endpoint.closing:
                info.append("closing")
            info.append(f"fd={endpoint.fd}")
            info.append(f"read={'polling' if endpoint.interest & EPOLLIN else 'idle'}")
            state = "polling" if endpoint.waiting() else "idle"
            info.append(f"write=<{state}, bufsize={endpoint.waiting()}>")
        return f"<{' '.join(info)}>"

    def get_extra_info(self, name, default=None):
        """Return what is known of the connection: 'socket', 'sockname', 'peername' …"""
        cdef Endpoint endpoint = self._endpoint
        if self._extra is None:
            self._extra = {}
        if name not in self._extra:
            if name == "peername":
                self._extra[name] = endpoint.peer_address()
            elif name == "sockname":
                self._extra[name] = endpoint.local_address()
            elif name == "socket":
                self._extra[name] = TransportSocket(endpoint.socket_object() or closed(endpoint))
        return self._extra.get(name, default)

    def set_protocol(self, protocol):
        """Have `protocol` called from now on."""
        cdef Endpoint endpoint = self._endpoint
        endpoint.use(protocol)

    def get_protocol(self):
        """Return the protocol."""
        cdef Endpoint endpoint = self._endpoint
        return endpoint.protocol

    def is_closing(self):
        """Return whether the transport is closed or about to be."""
        cdef Endpoint endpoint = self._endpoint
        return bool(endpoint.closing)

    def close(self):
        """Close when all that was written is sent."""
        cdef Endpoint endpoint = self._endpoint
        endpoint.close()

    def abort(self):
        """Close at once; what was not sent is lost."""
        cdef Endpoint endpoint = self._endpoint
        endpoint.force_close(None)

    def is_reading(self):
        """Return whether the protocol receives data."""
        cdef Endpoint endpoint = self._endpoint
        return not endpoint.closing and not endpoint.paused

    def pause_reading(self):
        """Leave what comes with the kernel until `resume_reading`."""
        cdef Endpoint endpoint = self._endpoint
        endpoint.pause()

    def resume_reading(self):
        """Receive again."""
        cdef Endpoint endpoint = self._endpoint
        endpoint.resume()

    def get_write_buffer_size(self):
        """Return how many bytes wait to be sent."""
        cdef Endpoint endpoint = self._endpoint
        return endpoint.waiting()

    def get_write_buffer_limits(self):
        """Return (low, high): from when on the protocol may write again, and is to pause."""
        cdef Endpoint endpoint = self._endpoint
        return endpoint.low, endpoint.high

    def set_write_buffer_limits(self, high=None, low=None):
        """Set from how many waiting bytes on the protocol is to pause, and may write again."""
        cdef Endpoint endpoint = self._endpoint
        endpoint.set_limits(high, low)

    # asyncio's own names, used by its sendfile and start_tls and by frameworks.

    @property
    def _loop(self):
        cdef Endpoint endpoint = self._endpoint
        return endpoint.core

    @property
    def _protocol(self):
        cdef Endpoint endpoint = self._endpoint
        return endpoint.protocol

    @property
    def _paused(self):
        cdef Endpoint endpoint = self._endpoint
        return bool(endpoint.paused)

    @property
    def _protocol_paused(self):
        cdef Endpoint endpoint = self._endpoint
        return bool(endpoint.protocol_paused)

    @property
    def _closing(self):
        cdef Endpoint endpoint = self._endpoint
        return bool(endpoint.closing)

    @property
    def _conn_lost(self):
        cdef Endpoint endpoint = self._endpoint
        return endpoint.lost

    @property
    def _sock(self):
        cdef Endpoint endpoint = self._endpoint
        return endpoint.socket_object()

    @property
    def _sock_fd(self):
        cdef Endpoint endpoint = self._endpoint
        return endpoint.fd

    def _force_close(self, exc):
        cdef Endpoint endpoint = self._endpoint
        endpoint.force_close(exc)


cdef object closed(Endpoint endpoint):
    """Return a socket object as it is after its connection was closed."""
    sock = Socket(endpoint.family, endpoint.type, endpoint.proto)
    sock.close()
    return sock


class StreamTransport(SocketTransport):
    """A transport over a connected stream socket, TCP or Unix."""

    _start_tls_compatible = True
    _sendfile_compatible = asyncio.constants._SendfileMode.TRY_NATIVE

    def write(self, data):
        """Send bytes; what the kernel does not take at once is kept and sent later."""
        cdef Stream stream = self._endpoint
        if type(data) is not bytes:
            check_data(data)
        stream.write(data)

    def writelines(self, list_of_data):
        """Send several pieces, in one call of the kernel where it takes them."""
        cdef Stream stream = self._endpoint
        stream.write_lines(list_of_data)

    def can_write_eof(self):
        """Return that the sending side can be closed alone."""
        return True

    def write_eof(self):
        """Close the sending side when all that was written is sent."""
        cdef Stream stream = self._endpoint
        stream.write_eof()

    # asyncio's own names, used by its sendfile and start_tls and by frameworks.

    @property
    def _eof(self):
        cdef Stream stream = self._endpoint
        return bool(stream.eof_sent)

    @property
    def _server(self):
        cdef Stream stream = self._endpoint
        return stream.server

    def _make_empty_waiter(self):
        cdef Stream stream = self._endpoint
        if stream.empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        stream.empty_waiter = stream.core.create_future()
        if stream.waiting() == 0:
            stream.empty_waiter.set_result(None)
        return stream.empty_waiter

    def _reset_empty_waiter(self):
        cdef Stream stream = self._endpoint
        stream.empty_waiter = None

    def _lend(self):
        """Return the socket, for others to use until `_take_back`."""
        cdef Stream stream = self._endpoint
        if stream.fd < 0:
            raise ConnectionError("the connection was closed before the file was sent")
        stream.poller.detach(stream)
        return stream.socket_object()

    def _take_back(self):
        cdef Stream stream = self._endpoint
        if stream.fd >= 0:
            reads = self.is_reading() and not stream.eof_received
            stream.poller.attach(stream, EPOLLIN if reads else 0)


cdef Stream new_stream(LoopCore loop, int fd, sock, int family, int proto):
    """Return a stream over a connected socket, which it owns from now on; `sock` may be None."""
    cdef Stream stream = Stream.__new__(Stream)
    stream.own(loop, fd, sock, family, SOCK_STREAM, proto)
    stream.inbox = loop.inbox
    return stream


cdef int begin(Stream stream, protocol, server, dict extra) except -1:
    """Give a stream its transport and its protocol, and let it begin."""
    stream.transport = StreamTransport(stream)
    stream.transport._extra = extra
    stream.server = server
    stream.use(protocol)
    return stream.open()


def adopt(
    LoopCore loop not None, sock, protocol, waiter=None, *, extra=None, server=None, context=None
):
    """Return a transport over a connected, non-blocking socket object."""
    cdef Stream stream = new_stream(
        loop, loop.poller.fd_of(sock), sock, sock.family, sock.proto
    )
    stream._context = context
    stream.peer = raw_address(stream.fd, True)
    begin(stream, protocol, server, None if extra is None else dict(extra))
    if waiter is not None:
        # Behind connection_made, in the order of the queue.
        loop.soon(wake, (waiter,), None)
    return stream.transport
