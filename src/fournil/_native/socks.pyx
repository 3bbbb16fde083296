"""Operations on socket objects: `loop.sock_recv` and its like.

Each is tried first. Only one that has no result then becomes a handle, which stands as the
socket's reader or writer and is tried again at each report, until it has one for its future.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EBADF, EINTR, errno
from libc.stdint cimport uint64_t

from fournil._native.calls cimport call, call_with
from fournil._native.core cimport LoopCore
from fournil._native.layout cimport KIND_READER, KIND_WRITER
from fournil._native.sys.errors cimport os_error
from fournil._native.sys.python cimport raise_again
from fournil._native.sys.sockets cimport (
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    recv as recv_from_kernel,
    send,
)
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

ticks_choose()

cdef object NOT_YET = object()


# Not cleared by the collector: one that is collected with its waiter may still be given up.
@cython.no_gc_clear
cdef class Operation(Handle):
    """One call on a socket that waits until the kernel can serve it."""

    cdef object attempt(self):
        """Return the result, or NOT_YET, to be tried again when the kernel reports room or data."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it attempts")

    cdef object start(self):
        """Return the result if there is one at once, else this operation, which then waits."""
        result = self.attempt()
        if result is not NOT_YET:
            return result
        self.core._ensure_fd_no_transport(self.fd)
        self.future = self.core.create_future()
        if self.reads:
            self.kind = KIND_READER
            self.core.poller.begin_reading(self.fd, self.sock, self)
        else:
            self.kind = KIND_WRITER
            self.core.poller.set_writer(self.fd, self)
        return self

    cdef int end(self) except -1:
        if self.reads:
            return self.core.poller.end_reading(self.fd, self)
        return self.core.poller.end_writing(self.fd, self)

    cdef int act(self) noexcept:
        try:
            if self.future.done():
                return self.end()
            try:
                # The number may be another file's by now, whose bytes are not for this one.
                if call(self.sock, "fileno") != self.fd:
                    raise os_error(EBADF)
                result = self.attempt()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as problem:
                self.end()
                self.future.set_exception(problem)
                return 0
            if result is not NOT_YET:
                self.end()
                call_with(self.future, "set_result", result)
            return 0
        except BaseException as problem:
            error = problem
        raise_again(error)
        return -1

    cdef object recorded_as(self):
        return type(self)

    def give_up(self):
        """Wait no more: whoever waited for the result was cancelled."""
        self._cancelled = True
        self.end()


@cython.final
@cython.no_gc_clear
cdef class SockRecv(Operation):
    cdef Py_ssize_t size

    cdef object attempt(self):
        cdef ssize_t came
        cdef bytes data
        if self.size <= self.core.inbox.next_capacity:
            data = self.core.inbox.receive(self.fd, self.size, True)
            return NOT_YET if data is None else data
        # What a datagram socket has may be longer than the inbox; its rest would be lost.
        data = PyBytes_FromStringAndSize(NULL, self.size)
        came = recv_from_kernel(self.fd, PyBytes_AS_STRING(data), self.size, MSG_DONTWAIT)
        return data[:came] if succeeded(came) else NOT_YET


@cython.final
@cython.no_gc_clear
cdef class SockRecvInto(Operation):
    cdef object buffer

    cdef object attempt(self):
        cdef Py_buffer view
        cdef ssize_t came
        PyObject_GetBuffer(self.buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            came = recv_from_kernel(self.fd, view.buf, view.len, MSG_DONTWAIT)
            return came if succeeded(came) else NOT_YET
        finally:
            PyBuffer_Release(&view)


@cython.final
@cython.no_gc_clear
cdef class SockSendAll(Operation):
    cdef object data
    cdef Py_ssize_t sent

    cdef object attempt(self):
        cdef Py_buffer view
        cdef ssize_t went
        cdef uint64_t began = ticks_now()
        PyObject_GetBuffer(self.data, &view, PyBUF_SIMPLE)
        try:
            while self.sent < view.len:
                went = send(
                    self.fd,
                    <char *> view.buf + self.sent,
                    view.len - self.sent,
                    MSG_NOSIGNAL | MSG_DONTWAIT,
                )
                if not succeeded(went):
                    return NOT_YET
                self.sent += went
                # A peer that reads as fast as this sends would keep the loop as long as it likes.
                if self.sent < view.len and ticks_now() - began >= self.core.poll_interval:
                    return NOT_YET
            return None
        finally:
            PyBuffer_Release(&view)


@cython.final
@cython.no_gc_clear
cdef class SockCall(Operation):
    """Any other call, made through the socket object."""

    cdef object function
    cdef tuple args

    cdef object attempt(self):
        try:
            return self.function(*self.args)
        except (BlockingIOError, InterruptedError):
            return NOT_YET


cdef bint succeeded(ssize_t result) except -1:
    """Return whether a call gave a result; raise unless it was only refused for now."""
    if result >= 0:
        return True
    if errno == EAGAIN or errno == EINTR:
        return False
    raise os_error(errno)


cdef int prepare(Operation operation, LoopCore loop, sock) except -1:
    if loop._debug and sock.gettimeout() != 0:
        raise ValueError("the socket must be non-blocking")
    operation.core = loop
    operation._loop = loop
    operation.sock = sock
    operation.fd = sock.fileno()
    return 0


def recv(LoopCore loop not None, sock, Py_ssize_t nbytes):
    """Return at most `nbytes` bytes that a socket has, or the operation that waits for some."""
    cdef SockRecv operation = SockRecv.__new__(SockRecv)
    if nbytes < 0:
        raise ValueError(f"negative buffersize in recv: {nbytes}")
    prepare(operation, loop, sock)
    operation.reads = True
    operation.size = nbytes
    return operation.start()


def recv_into(LoopCore loop not None, sock, buf):
    """Return how many bytes came into `buf`, or the operation that waits for some."""
    cdef SockRecvInto operation = SockRecvInto.__new__(SockRecvInto)
    prepare(operation, loop, sock)
    operation.reads = True
    operation.buffer = buf
    return operation.start()


def sendall(LoopCore loop not None, sock, data):
    """Return None when all of `data` was sent, or the operation that sends the rest."""
    cdef SockSendAll operation = SockSendAll.__new__(SockSendAll)
    prepare(operation, loop, sock)
    operation.data = data
    return operation.start()


def recvfrom(LoopCore loop not None, sock, bufsize):
    """Return a datagram and its sender, or the operation that waits for one."""
    return start_call(loop, sock, True, sock.recvfrom, (bufsize,))


def recvfrom_into(LoopCore loop not None, sock, buf, nbytes):
    """Return how many bytes came into `buf` and from whom, or the operation that waits for some."""
    return start_call(loop, sock, True, sock.recvfrom_into, (buf, nbytes or len(buf)))


def sendto(LoopCore loop not None, sock, data, address):
    """Return how many bytes were sent, or the operation that waits to send them."""
    return start_call(loop, sock, False, sock.sendto, (data, address))


def accept(LoopCore loop not None, sock):
    """Return a connection and its peer's address, or the operation that waits for one."""
    return start_call(loop, sock, True, accept_one, (sock,))


cdef object start_call(LoopCore loop, sock, bint reads, function, tuple args):
    cdef SockCall operation = SockCall.__new__(SockCall)
    prepare(operation, loop, sock)
    operation.reads = reads
    operation.function = function
    operation.args = args
    return operation.start()


def accept_one(sock):
    connection, address = sock.accept()
    connection.setblocking(False)
    return connection, address
