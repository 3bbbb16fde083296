"""A listener: accepts the connections of a server, many a turn, and gives each its transport."""

import asyncio.constants
import asyncio.log
import asyncio.trsock
import socket

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport (
    EAGAIN,
    EBADF,
    ECONNABORTED,
    EINTR,
    EMFILE,
    ENFILE,
    ENOBUFS,
    ENOMEM,
    errno,
)
from libc.stdint cimport uint32_t, uint64_t
from posix.unistd cimport close as close_fd

from fournil._native.addresses cimport address_object
from fournil._native.channel cimport Channel
from fournil._native.core cimport LoopCore
from fournil._native.layout cimport KIND_READER
from fournil._native.ring cimport note_accepted, note_listening
from fournil._native.stream cimport Stream
from fournil._native.sys.epoll cimport EPOLLIN
from fournil._native.sys.errors cimport os_error
from fournil._native.sys.python cimport (
    PyContext_CopyCurrent,
    PyContext_Enter,
    PyContext_Exit,
)
from fournil._native.sys.sockets cimport (
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    accept4,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from fournil._native.sys.ticks cimport ticks_choose, ticks_now
from fournil._native.transport cimport begin, new_stream

ticks_choose()

cdef object logger = asyncio.log.logger
cdef object Socket = socket.socket


@cython.no_gc_clear  # see Channel
cdef class Listener(Channel):
    """A listening socket of a server."""

    cdef int take_up(self, uint32_t readiness) except -1:
        # Others wait for their turn too: what is left is reported again.
        cdef uint64_t began = ticks_now()
        for _ in range(self.backlog):
            if not self.interest or not self.accept():
                break
            if ticks_now() - began >= self.core.poll_interval:
                break
        return 0

    cdef object recorded_as(self):
        return self.factory

    cdef bint accept(self) except -1:
        """Accept one connection; return whether there may be more."""
        cdef sockaddr_storage address
        cdef socklen_t length = sizeof(address)
        cdef int fd = accept4(
            self.held[0], <sockaddr *> &address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC
        )
        cdef bytes peer
        if fd < 0:
            if errno == EAGAIN or errno == EINTR or errno == ECONNABORTED:
                return False
            if errno == EMFILE or errno == ENFILE or errno == ENOBUFS or errno == ENOMEM:
                self.rest(errno)
                return False
            if errno == EBADF:
                self.broken(os_error(EBADF))
                return False
            raise os_error(errno)
        note_accepted()
        try:
            peer = (<char *> &address)[: min(<size_t> length, sizeof(address))]
            if self.core._debug:
                logger.debug(
                    "%r got a new connection from %r: fd=%d",
                    self.server,
                    address_object(<sockaddr *> &address, length),
                    fd,
                )
        except BaseException:
            close_fd(fd)
            raise
        if self.tls is not None and self.core._debug:
            self.serve_tls_and_tell(fd, peer)
        else:
            self.serve(fd, peer)
        return True

    cdef int serve(self, int fd, bytes peer) except -1:
        # What the factory sets in its context is seen by its connection alone, as in asyncio, where
        # a task makes each connection.
        cdef Stream stream = new_stream(self.core, fd, None, self.family, self.proto)
        stream.peer = peer
        stream._context = self.new_context()
        PyContext_Enter(stream._context)
        try:
            protocol = self.factory()
            if self.tls is not None:
                protocol = self.encrypted(protocol)
            begin(stream, protocol, self.server, None)
        except BaseException as error:
            stream.give_up()
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise
            # asyncio says nothing of it when it is not in debug mode.
            if self.core._debug:
                self.core.call_exception_handler({
                    "message": "Error on transport creation for incoming connection",
                    "exception": error,
                })
        finally:
            PyContext_Exit(stream._context)
        return 0

    cdef object encrypted(self, protocol):
        """Return a protocol that runs TLS below another."""
        # Not before it is needed: a Python may have no ssl.
        from fournil._native.tls_transport import TLSProtocol

        context, handshake_timeout, shutdown_timeout = self.tls
        return TLSProtocol(
            self.core,
            protocol,
            context,
            None,
            True,
            ssl_handshake_timeout=handshake_timeout,
            ssl_shutdown_timeout=shutdown_timeout,
        )

    cdef int serve_tls_and_tell(self, int fd, bytes peer) except -1:
        """Like `serve`, by asyncio's task, which reports a handshake that fails."""
        connection = Socket(self.family, SOCK_STREAM, self.proto, fd)
        connection.setblocking(False)  # the descriptor does not already, as it does not know
        name = address_object(<sockaddr *> PyBytes_AS_STRING(peer), PyBytes_GET_SIZE(peer))
        sslcontext, handshake_timeout, shutdown_timeout = self.tls
        context = self.new_context()
        self.core.create_task(
            self.core._accept_connection2(
                self.factory,
                connection,
                {"peername": name},
                sslcontext,
                self.server,
                handshake_timeout,
                shutdown_timeout,
                **({} if self.connections_context is None else {"context": context}),
            ),
            context=context,
        )
        return 0

    cdef object new_context(self):
        """Return the context of a new connection."""
        if self.connections_context is None:
            return PyContext_CopyCurrent()
        return self.connections_context.copy()

    cdef int broken(self, error) except -1:
        self.core.poller.detach(self)
        self._cancelled = True
        self.core.call_exception_handler({
            "message": "a server's socket was closed behind it: it accepts no more connections",
            "exception": error,
            "socket": asyncio.trsock.TransportSocket(self.sock),
        })
        return 0

    cdef int rest(self, int problem) except -1:
        """Nothing can be accepted now: try again later, and let the kernel keep quiet."""
        self.core.call_exception_handler({
            "message": "socket.accept() out of system resource",
            "exception": os_error(problem),
            "socket": asyncio.trsock.TransportSocket(self.sock),
        })
        self.core.poller.set_interest(self, 0)
        self.core.poller.settle(self)
        self.core.call_later(asyncio.constants.ACCEPT_RETRY_DELAY, self._resume)
        return 0

    def _resume(self):
        if not self._cancelled:
            self.core.poller.set_interest(self, EPOLLIN)


def listen(
    LoopCore loop not None,
    protocol_factory,
    sock,
    sslcontext,
    server,
    backlog,
    ssl_handshake_timeout,
    ssl_shutdown_timeout,
    context=None,
):
    """Accept connections from now on; the arguments are those of asyncio's servers."""
    cdef Listener listener = Listener.__new__(Listener)
    listener.core = loop
    listener._loop = loop
    listener._context = PyContext_CopyCurrent()
    listener.kind = KIND_READER
    listener.fd = loop.poller.fd_of(sock)
    listener.family = sock.family
    listener.proto = sock.proto
    listener.sock = sock
    listener.server = server
    listener.factory = protocol_factory
    listener.connections_context = context
    listener.backlog = max(1, backlog)
    if sslcontext:
        listener.tls = sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout
    listener.hold(sock)
    note_listening()
    loop.poller.attach(listener, EPOLLIN)


def stop_listening(LoopCore loop not None, sock):
    """Accept no more connections; the socket is closed by the caller."""
    cdef Channel channel = loop.poller.channel_of(sock)
    if isinstance(channel, Listener):
        loop.poller.detach(channel)
        channel._cancelled = True
