"""An endpoint: an open socket between kernel and protocol; what streams and datagrams share.

Its life from connection_made to connection_lost, the flow control of what its user writes, and
what is known of the socket.
"""

import asyncio.constants
import asyncio.log
import socket
import sys

cimport cython
from libc.stdint cimport uint32_t
from posix.unistd cimport close as close_fd

from fournil._native.addresses cimport address_of, is_socket_to, raw_address
from fournil._native.calls cimport call
from fournil._native.layout cimport KIND_READER
from fournil._native.names cimport method_of
from fournil._native.poller cimport NOT_KNOWN, OURS, Whose
from fournil._native.sys.epoll cimport EPOLLIN, EPOLLOUT
from fournil._native.sys.python cimport PyContext_CopyCurrent

cdef enum:
    HIGH_WATER = 64 << 10

cdef object logger = asyncio.log.logger
cdef object Socket = socket.socket
cdef uint32_t LOST_WRITES_UNTIL_WARNED = asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
cdef Py_ssize_t LONGEST = sys.maxsize


@cython.no_gc_clear  # see Channel
cdef class Endpoint(Channel):
    """One open socket; `transport` is what its user holds of it."""

    cdef int own(
        self, LoopCore loop, int fd, sock, int family, int type, int proto
    ) except -1:
        """Own a socket that does not block from now on: `sock`, or, where it is None, a descriptor.
        """
        self.core = loop
        self._loop = loop
        self.poller = loop.poller
        self.fd = fd
        self.sock = sock
        self.hold(sock)
        self.family = family
        self.type = type
        self.proto = proto
        self.kind = KIND_READER
        return 0

    # Its life.

    cdef int open(self) except -1:
        """Begin: connection_made is called in the next turn, before anything is read."""
        if self._context is None:
            self._context = PyContext_CopyCurrent()
        self.high = HIGH_WATER
        self.low = HIGH_WATER // 4
        # What comes is read after connection_made: the ready queue keeps the order.
        self.poller.attach(self, EPOLLIN)
        self.core.soon(self.protocol.connection_made, (self.transport,), self._context)
        return 0

    cdef int use(self, protocol) except -1:
        """Have `protocol` called from now on."""
        self.protocol = protocol
        self.receives = None
        self.connected = True
        return 0

    cdef int close(self) except -1:
        """Close when what waits to be sent is sent."""
        if self.closing:
            return 0
        self.closing = True
        self.poller.set_interest(self, self.interest & EPOLLOUT)
        if self.waiting() == 0:
            self.lost += 1
            self.core.soon(self._report_loss, (None,), self._context)
        return 0

    cdef int force_close(self, error) except -1:
        """Close at once: what waits to be sent is lost."""
        if self.lost:
            return 0
        self.discard()
        self.closing = True
        self.lost += 1
        self.poller.set_interest(self, 0)
        self.core.soon(self._report_loss, (error,), self._context)
        return 0

    def _report_loss(self, error):
        try:
            if self.connected:
                self.protocol.connection_lost(error)
        finally:
            self.close_descriptor()
            try:
                self.ended()
            finally:
                self.protocol = self.receives = None
                self.transport = None

    cdef int ended(self) except -1:
        """The loss was reported, and the descriptor is closed."""
        return 0

    cdef int close_descriptor(self) except -1:
        cdef int fd = self.fd
        cdef Whose whose
        if fd < 0:
            return 0
        if self.local is None:
            self.local = raw_address(self.held[0], False)
        whose = self.poller.detach(self)
        self._cancelled = True
        self.fd = -1
        if self.sock is not None:
            self.sock.close()
        elif whose == OURS or whose == NOT_KNOWN and is_socket_to(fd, self.peer):
            close_fd(fd)
        return 0

    cdef int broken(self, error) except -1:
        return self.failed("Fatal error: the socket was closed behind its transport", error)

    cdef int failed(self, str what, error) except -1:
        """An error ends the connection; one that the network does not explain is reported."""
        if isinstance(error, OSError):
            if self.core._debug:
                logger.debug("%r: %s", self.transport, what, exc_info=error)
        else:
            self.report(what, error)
        return self.force_close(error)

    cdef int report(self, str what, error) except -1:
        self.core.call_exception_handler({
            "message": what,
            "exception": error,
            "transport": self.transport,
            "protocol": self.protocol,
        })
        return 0

    # Reading.

    cdef object recorded_as(self):
        if self.readiness & ~<uint32_t> EPOLLOUT and self.interest & EPOLLIN:
            if self.receives is None:
                self.receives = method_of(self.protocol, self.receiver())
            return self.receives
        return method_of(self.protocol, "resume_writing")

    cdef str receiver(self):
        """Return the name of the protocol's method that is told what came."""
        raise NotImplementedError(f"{type(self).__name__} does not say whom it tells what came")

    cdef int pause(self) except -1:
        """Leave what comes with the kernel."""
        if self.closing or self.paused:
            return 0
        self.paused = True
        self.poller.set_interest(self, self.interest & EPOLLOUT)
        if self.core._debug:
            logger.debug("%r pauses reading", self.transport)
        return 0

    cdef int resume(self) except -1:
        if self.closing or not self.paused:
            return 0
        self.paused = False
        self.poller.set_interest(self, self.interest | EPOLLIN)
        if self.core._debug:
            logger.debug("%r resumes reading", self.transport)
        return 0

    # Writing, and flow control.

    cdef int write(self, data) except -1:
        """Send a part of a stream."""
        raise NotImplementedError(f"{type(self).__name__} is no stream")

    cdef Py_ssize_t waiting(self) noexcept:
        """Return how many bytes wait to be sent."""
        return 0

    cdef int discard(self) except -1:
        """Forget what waits to be sent."""
        return 0

    cdef bint is_lost(self) except -1:
        """Return whether a write goes nowhere; a program that goes on writing is warned."""
        if not self.lost:
            return False
        if self.lost >= LOST_WRITES_UNTIL_WARNED:
            logger.warning("socket.send() raised exception.")
        self.lost += 1
        return True

    cdef int set_limits(self, high, low) except -1:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        # Any number may be given, and no buffer is longer than the longest object.
        self.high = min(high, LONGEST)
        self.low = min(low, LONGEST)
        return self.tell_pause()

    cdef int tell_pause(self) except -1:
        if self.protocol_paused or self.waiting() <= self.high:
            return 0
        self.protocol_paused = True
        try:
            call(self.protocol, "pause_writing")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report("protocol.pause_writing() failed", error)
        return 0

    cdef int tell_resume(self) except -1:
        if not self.protocol_paused or self.waiting() > self.low:
            return 0
        self.protocol_paused = False
        try:
            call(self.protocol, "resume_writing")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report("protocol.resume_writing() failed", error)
        return 0

    # What the transport tells of the socket.

    cdef object socket_object(self):
        """Return the socket object, which owns the descriptor from now on; None once closed."""
        if self.sock is None and self.fd >= 0:
            self.sock = Socket(self.family, self.type, self.proto, self.fd)
            # The descriptor does not block already, but the object does not know.
            self.sock.setblocking(False)
            self.hold(self.sock)
        return self.sock

    cdef object local_address(self):
        if self.local is None and self.fd >= 0:
            self.local = raw_address(self.fd, False)
        return address_of(self.local)

    cdef object peer_address(self):
        return address_of(self.peer)
