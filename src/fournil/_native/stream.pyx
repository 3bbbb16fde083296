"""A stream: one end of a connection, TCP or Unix, between kernel and protocol.

Reads go into the object that the protocol is handed. A write goes to the kernel at once; only
what it refuses waits, in the outbox, until the kernel reports room. Nothing is registered
or taken back for a write that the kernel takes whole.

Each read is a step of the loop, as a callback is; the recorder names it by the method of the
protocol that it calls.
"""

import asyncio.base_events
import asyncio.log
import asyncio.protocols
import inspect
import sys

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from fournil._native.calls cimport call, call_with
from fournil._native.outbox cimport Outbox
from fournil._native.reader cimport feed
from fournil._native.stream_protocol cimport reader_fed_by
from fournil._native.sys.epoll cimport EPOLLIN, EPOLLOUT
from fournil._native.sys.errors cimport os_error
from fournil._native.sys.sockets cimport (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    SHUT_WR,
    TCP_NODELAY,
    iovec,
    msghdr,
    recv,
    send,
    sendmsg,
    setsockopt,
    shutdown,
)
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

ticks_choose()

cdef enum:
    # The kernel takes 1,024 parts at once; of so many, its price for a call is shared enough.
    PARTS = 64

cdef object logger = asyncio.log.logger
cdef object BufferedProtocol = asyncio.protocols.BufferedProtocol
cdef Py_ssize_t LONGEST = sys.maxsize
# As asyncio says it.
cdef str DATA = "a bytes-like object"
if sys.version_info >= (3, 13, 9):
    DATA = "a bytes, bytearray, or memoryview object"

# Since CPython 3.13 a server is told which of its transports comes and goes.
cdef bint server_knows_transports = (
    len(inspect.signature(asyncio.base_events.Server._attach).parameters) > 1
)


@cython.no_gc_clear  # see Channel
cdef class Stream(Endpoint):
    """One end of a connection."""

    # The connection's life.

    cdef int open(self) except -1:
        cdef int on = 1
        if self.family == AF_INET or self.family == AF_INET6:
            # What is written goes out at once, not when what went before was acknowledged. The
            # protocol is not asked: sockets are made with 0 in its place, which means TCP too.
            setsockopt(self.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
        if self.server is None:
            return Endpoint.open(self)
        if server_knows_transports:
            self.server._attach(self.transport)
        else:
            self.server._attach()
        try:
            return Endpoint.open(self)
        except BaseException:
            self.leave_server()
            raise

    cdef int give_up(self) except -1:
        """End a connection that did not begin."""
        self.close_descriptor()
        self.protocol = self.transport = self.server = None
        return 0

    cdef int use(self, protocol) except -1:
        self.buffered = isinstance(protocol, BufferedProtocol)
        self.reader = reader_fed_by(protocol)
        return Endpoint.use(self, protocol)

    cdef int ended(self) except -1:
        if self.empty_waiter is not None and not self.empty_waiter.done():
            self.empty_waiter.set_exception(ConnectionError("Connection is closed by peer"))
        return self.leave_server()

    cdef int leave_server(self) except -1:
        server = self.server
        self.server = None
        if server is None:
            return 0
        if server_knows_transports:
            server._detach(self.transport)
        else:
            server._detach()
        return 0

    cdef int close_descriptor(self) except -1:
        if self.fd >= 0 and self.empty_waiter is not None and not self.core._closed:
            self.poller.abandon(self.fd)  # a sendfile that waits for room
        return Endpoint.close_descriptor(self)

    # Reading.

    cdef int take_up(self, uint32_t readiness) except -1:
        if readiness & ~<uint32_t> EPOLLOUT and self.interest & EPOLLIN:
            if self.buffered:
                self.read_into_buffer()
            else:
                self.read()
        if readiness & ~<uint32_t> EPOLLIN and self.interest & EPOLLOUT:
            self.flush()
        return 0

    cdef str receiver(self):
        return "buffer_updated" if self.buffered else "data_received"

    cdef int read(self) except -1:
        cdef bytes data
        try:
            data = self.inbox.receive(self.held[0], LONGEST, False)
        except OSError as error:
            return self.failed("Fatal read error on socket transport", error)
        if data is None:
            return 0
        if PyBytes_GET_SIZE(data) == 0:
            return self.end_of_file()
        try:
            if self.reader is not None:
                feed(self.protocol, self.reader, data)
            else:
                call_with(self.protocol, "data_received", data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.failed("Fatal error: protocol.data_received() call failed.", error)
        self.inbox.take_back(data)
        return 0

    cdef int read_into_buffer(self) except -1:
        cdef Py_buffer view
        cdef ssize_t came
        cdef int problem
        try:
            buffer = call_with(self.protocol, "get_buffer", -1)
            PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
            if view.len == 0:
                PyBuffer_Release(&view)
                raise RuntimeError("get_buffer() returned an empty buffer")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.failed("Fatal error: protocol.get_buffer() call failed.", error)
        # With the GIL, as in Inbox.receive.
        came = recv(self.held[0], view.buf, view.len, MSG_DONTWAIT)
        problem = errno
        PyBuffer_Release(&view)
        if came < 0:
            if problem == EAGAIN or problem == EINTR:
                return 0
            return self.failed("Fatal read error on socket transport", os_error(problem))
        if came == 0:
            return self.end_of_file()
        try:
            call_with(self.protocol, "buffer_updated", came)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.failed("Fatal error: protocol.buffer_updated() call failed.", error)
        return 0

    cdef int end_of_file(self) except -1:
        if self.core._debug:
            logger.debug("%r received EOF", self.transport)
        try:
            keep_open = call(self.protocol, "eof_received")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.failed("Fatal error: protocol.eof_received() call failed.", error)
        if not keep_open:
            return self.close()
        # The user may go on to write. The kernel would report the end again and again.
        self.eof_received = True
        if not self.lost:
            self.poller.set_interest(self, self.interest & EPOLLOUT)
            self.poller.settle(self)
        return 0

    cdef int resume(self) except -1:
        if self.eof_received:
            # The kernel would report the end again and again.
            self.paused = False
            return 0
        return Endpoint.resume(self)

    # Writing.

    cdef int check_writing(self, str method) except -1:
        if self.eof_sent:
            raise RuntimeError(f"Cannot call {method}() after write_eof()")
        if self.empty_waiter is not None:
            raise RuntimeError(f"unable to {method}; sendfile is in progress")
        return 0

    cdef int write(self, data) except -1:
        cdef Py_buffer view
        cdef const char *begin
        cdef Py_ssize_t size
        cdef ssize_t sent = 0
        cdef int problem = 0
        cdef bint viewed = type(data) is not bytes
        self.check_writing("write")
        if not viewed:
            begin = PyBytes_AS_STRING(data)
            size = PyBytes_GET_SIZE(data)
        else:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            begin = <const char *> view.buf
            size = view.len
        if size and not self.lost and self.waiting() == 0:
            # With the GIL, as in Inbox.receive.
            sent = send(self.held[0], begin, size, MSG_NOSIGNAL | MSG_DONTWAIT)
            problem = errno
        if viewed:
            PyBuffer_Release(&view)
        if size == 0 or sent == size or self.is_lost():
            return 0
        if sent < 0:
            if problem != EAGAIN and problem != EINTR:
                return self.failed("Fatal write error on socket transport", os_error(problem))
            sent = 0
        return self.keep(data, sent)

    cdef int write_lines(self, lines) except -1:
        cdef bint waited
        # All or none: what is no data must not leave behind what came before it.
        cdef list listed = [as_bytes(data) for data in lines]
        self.check_writing("writelines")
        waited = self.waiting() > 0
        if not listed or self.is_lost():
            return 0
        if self.outbox is None:
            self.outbox = Outbox()
        for data in listed:
            self.outbox.add(data, 0)
        if not waited and self.waiting():
            self.flush()
        if self.waiting():
            self.poller.set_interest(self, self.interest | EPOLLOUT)
            self.tell_pause()
        return 0

    cdef int keep(self, data, Py_ssize_t sent) except -1:
        """Send all of `data` but its first `sent` bytes when the kernel has room."""
        if self.outbox is None:
            self.outbox = Outbox()
        self.outbox.add(data, sent)
        self.poller.set_interest(self, self.interest | EPOLLOUT)
        return self.tell_pause()

    cdef int flush(self) except -1:
        """Send what waits, as much as the kernel takes, as long as others can wait."""
        cdef iovec parts[PARTS]
        cdef msghdr message
        cdef ssize_t sent
        cdef uint64_t began = ticks_now()
        while self.waiting():
            memset(&message, 0, sizeof(message))
            message.msg_iov = parts
            message.msg_iovlen = self.outbox.show(parts, PARTS)
            sent = sendmsg(self.held[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT)
            if sent < 0:
                if errno == EAGAIN or errno == EINTR:
                    break
                error = os_error(errno)
                self.failed("Fatal write error on socket transport", error)
                if self.empty_waiter is not None and not self.empty_waiter.done():
                    self.empty_waiter.set_exception(error)
                return 0
            self.outbox.advance(sent)
            # A peer that reads as fast as this sends would keep the loop as long as it likes.
            if ticks_now() - began >= self.core.poll_interval:
                break
        self.tell_resume()  # which may write more
        if self.waiting() == 0 and not self.lost:
            return self.emptied()
        return 0

    cdef int emptied(self) except -1:
        """Nothing waits to be sent any more: what waited for that comes now."""
        self.poller.set_interest(self, self.interest & EPOLLIN)
        self.poller.settle(self)
        if self.empty_waiter is not None and not self.empty_waiter.done():
            self.empty_waiter.set_result(None)
        if self.closing:
            self.lost += 1
            self._report_loss(None)
        elif self.eof_sent:
            shutdown(self.held[0], SHUT_WR)
        return 0

    cdef int write_eof(self) except -1:
        if self.closing or self.eof_sent:
            return 0
        self.eof_sent = True
        if self.waiting() == 0 and shutdown(self.held[0], SHUT_WR) < 0:
            raise os_error(errno)
        return 0

    cdef Py_ssize_t waiting(self) noexcept:
        return 0 if self.outbox is None else self.outbox.size

    cdef int discard(self) except -1:
        return 0 if self.outbox is None else self.outbox.clear()


cdef int check_data(data) except -1:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data argument must be {DATA}, not {type(data).__name__!r}")
    return 0


cdef bytes as_bytes(data):
    # Its owner may change what is not bytes as soon as the write returns.
    return data if type(data) is bytes else bytes(memoryview(data))
