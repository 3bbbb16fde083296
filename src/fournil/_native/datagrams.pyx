"""Datagrams, UDP's and Unix sockets': each is received whole, and sent at once or kept whole.

A report of the kernel is taken up as one step: what has come is delivered until nothing is left
or others have waited long enough.
"""

import asyncio.transports
import collections
import sys

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from fournil._native.addresses cimport address_object, raw_address, write_address
from fournil._native.calls cimport call_with, call_with_two
from fournil._native.core cimport LoopCore
from fournil._native.sys.epoll cimport EPOLLIN, EPOLLOUT
from fournil._native.sys.errors cimport os_error
from fournil._native.sys.sockets cimport (
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    send,
    sendto,
    sockaddr,
)
from fournil._native.sys.ticks cimport ticks_choose, ticks_now
from fournil._native.transport import SocketTransport, wake

cdef enum:
    # As long as asyncio receives them. UDP's are shorter than 64 KiB.
    LONGEST_UNIX = 256 << 10
    # What a datagram that waits counts besides its bytes, since CPython 3.13, where also an
    # empty one is sent.
    HEADER = 8

ticks_choose()

cdef bint sends_empty = sys.version_info >= (3, 13)


@cython.no_gc_clear  # see Channel
cdef class Datagrams(Endpoint):
    """A socket of datagrams."""

    cdef int take_up(self, uint32_t readiness) except -1:
        if readiness & ~<uint32_t> EPOLLOUT and self.interest & EPOLLIN:
            self.read()
        if readiness & ~<uint32_t> EPOLLIN and self.interest & EPOLLOUT:
            self.flush()
        return 0

    cdef str receiver(self):
        return "datagram_received"

    cdef int read(self) except -1:
        cdef sockaddr_storage raw
        cdef socklen_t length
        cdef bytes data
        cdef uint64_t began = ticks_now()
        while True:
            length = sizeof(raw)
            try:
                data = self.inbox.receive_from(
                    self.held[0], self.inbox.next_capacity, False, <sockaddr *> &raw, &length
                )
                if data is None:
                    return 0
                sender = self.sender_object(&raw, length)
            except BaseException as error:
                return self.refused("Fatal read error on datagram transport", error)
            call_with_two(self.protocol, "datagram_received", data, sender)
            self.inbox.take_back(data)
            # The kernel reports what is left again.
            if ticks_now() - began >= self.core.poll_interval or not self.interest & EPOLLIN:
                return 0

    cdef int refused(self, str what, error) except -1:
        """The protocol is told of the kernel's errors; any other ends the transport."""
        if isinstance(error, OSError):
            call_with(self.protocol, "error_received", error)
            return 0
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        return self.failed(what, error)

    cdef object sender_object(self, const sockaddr_storage *raw, socklen_t length):
        if (
            self.sender is None
            or length != self.raw_length
            or memcmp(raw, &self.raw_sender, length) != 0
        ):
            self.sender = address_object(<const sockaddr *> raw, length)
            memcpy(&self.raw_sender, raw, length)
            self.raw_length = length
        return self.sender

    cdef int dispatch(self, data, address) except -1:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if not sends_empty and not data:
            return 0
        if self.address is not None:
            if address is not None and address != self.address:
                raise ValueError(f"Invalid address: must be None or {self.address}")
            address = self.address
        # What connection_lost sends still goes out, to the last address that there was.
        if (self.address is not None or self.fd < 0) and self.is_lost():
            return 0
        if self.backlog:
            sent = False
        else:
            try:
                sent = self.attempt(data, address)
            except BaseException as error:
                return self.refused("Fatal write error on datagram transport", error)
        if not sent:
            # Its owner may change it as soon as this returns.
            data = bytes(data)
            self.backlog.append((data, address))
            self.size += len(data) + (HEADER if sends_empty else 0)
            self.poller.set_interest(self, self.interest | EPOLLOUT)
            self.tell_pause()
        return 0

    cdef bint attempt(self, data, address) except -1:
        """Send one; return whether the kernel took it, or had no room for it yet."""
        cdef Py_buffer view
        cdef sockaddr_storage raw
        cdef socklen_t length
        cdef ssize_t sent
        cdef int problem
        if self.peer:
            length = 0
        elif address is self.sender and address is not None:
            length = self.raw_length
            memcpy(&raw, &self.raw_sender, length)
        elif not write_address(address, self.family, &raw, &length):
            try:
                self.socket_object().sendto(data, address)
            except (BlockingIOError, InterruptedError):
                return False
            return True
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        if length == 0:
            sent = send(self.held[0], view.buf, view.len, MSG_NOSIGNAL | MSG_DONTWAIT)
        else:
            sent = sendto(
                self.held[0],
                view.buf,
                view.len,
                MSG_NOSIGNAL | MSG_DONTWAIT,
                <sockaddr *> &raw,
                length,
            )
        problem = errno
        PyBuffer_Release(&view)
        if sent >= 0:
            return True
        if problem == EAGAIN or problem == EINTR:
            return False
        raise os_error(problem)

    cdef int flush(self) except -1:
        """Send what waits, as much as the kernel takes, as long as others can wait."""
        cdef uint64_t began = ticks_now()
        while self.backlog and ticks_now() - began < self.core.poll_interval:
            data, address = self.backlog[0]
            try:
                if not self.attempt(data, address):
                    break
            except BaseException as error:
                self.forget_first()
                return self.refused("Fatal write error on datagram transport", error)
            self.forget_first()
        self.tell_resume()  # which may send more
        if self.backlog or self.lost:
            return 0
        self.poller.set_interest(self, self.interest & EPOLLIN)
        self.poller.settle(self)
        if self.closing:
            self.lost += 1
            self._report_loss(None)
        return 0

    cdef int forget_first(self) except -1:
        data, _ = self.backlog.popleft()
        self.size -= len(data) + (HEADER if sends_empty else 0)
        return 0

    cdef Py_ssize_t waiting(self) noexcept:
        return self.size

    cdef int discard(self) except -1:
        self.backlog.clear()
        self.size = 0
        return 0


class DatagramTransport(SocketTransport, asyncio.transports.DatagramTransport):
    """A transport over a socket of datagrams."""

    def sendto(self, data, addr=None):
        """Send one datagram; what the kernel does not take at once is kept and sent later."""
        cdef Datagrams datagrams = self._endpoint
        if datagrams is None:
            raise AttributeError("the transport has no endpoint any more")
        datagrams.dispatch(data, addr)


def adopt(LoopCore loop not None, sock, protocol, address=None, waiter=None, extra=None):
    """Return a transport over a non-blocking socket object; `address` is where it sends to."""
    cdef Datagrams datagrams = Datagrams.__new__(Datagrams)
    datagrams.own(loop, loop.poller.fd_of(sock), sock, sock.family, sock.type, sock.proto)
    datagrams.peer = raw_address(datagrams.fd, True)
    datagrams.address = address or None
    datagrams.backlog = collections.deque()
    datagrams.inbox = loop.inbox
    if datagrams.family == AF_UNIX:
        loop.inbox.expect(LONGEST_UNIX)
    datagrams.transport = DatagramTransport(datagrams)
    datagrams.transport._extra = None if extra is None else dict(extra)
    datagrams.use(protocol)
    datagrams.open()
    if waiter is not None:
        # Behind connection_made, in the order of the queue.
        loop.soon(wake, (waiter,), None)
    return datagrams.transport
