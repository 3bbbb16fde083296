# cython: binding=False
"""TLS in memory: ciphertext goes in and comes out as bytes, and no socket is involved.

OpenSSL works on `ssl.MemoryBIO` objects. What it copies between them and its own buffers costs
least while it stays in the CPU's cache, and these buffers never shrink: so they are filled by
portions, however much there is.
"""

import ssl

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from libc.string cimport memcpy

from fournil._native.tls_records cimport Records
from fournil._native.sys.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    _PyBytes_Resize,
    bytes_set_length,
)

cdef enum:
    # A read that needs more of the peer's bytes first.
    WAIT = -1

    PORTION = 64 * 1024
    # What one record holds at most.
    RECORD = 16 * 1024

cdef object SSLError = ssl.SSLError
cdef tuple NEEDS_MORE = (ssl.SSLWantReadError, ssl.SSLSyscallError)


cdef Py_ssize_t copy_into(char *into, Py_ssize_t size, data) except -1:
    if type(data) is not bytes or len(data) > size:
        raise TypeError(f"read({size}) has to return at most as many bytes, got {data!r}")
    memcpy(into, <const char *> <bytes> data, len(data))
    return len(data)


# Not cleared by the collector: a connection that is collected with it may still use it.
@cython.no_gc_clear
cdef class Engine:
    """OpenSSL's side of a connection."""

    def __init__(self, context, server_side, server_hostname):
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.sslobj = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server_side,
            server_hostname=None if server_side else server_hostname or None,
        )
        # SSLObject's methods only call those of what it wraps; a subclass's may do more, and may
        # keep what they are given.
        self.ssl = self.sslobj
        self.copies = type(self.sslobj) is not ssl.SSLObject
        if not self.copies:
            self.ssl = self.sslobj._sslobj
        self.records = Records()

    cdef bint handshake(self) except -1:
        """Go on with the handshake; return whether it is done."""
        try:
            self.ssl.do_handshake()
        except NEEDS_MORE:
            return False
        return True

    cdef bint shutdown(self) except -1:
        """Tell the peer that this is the end; return whether it did so too."""
        try:
            self.sslobj.unwrap()
        except NEEDS_MORE:
            return False
        return True

    cdef int feed(self, const char *data, Py_ssize_t size) except -1:
        """Put in what the peer sent."""
        self.records.add(<const unsigned char *> data, size)
        self.incoming.write(PyMemoryView_FromMemory(<char *> data, size, PyBUF_READ))
        return 0

    cdef int feed_portion(self, const char **data, Py_ssize_t *size) except -1:
        cdef Py_ssize_t portion = min(size[0], PORTION)
        self.feed(data[0], portion)
        data[0] += portion
        size[0] -= portion
        return 0

    cdef bint has_record(self) except -1:
        """Return whether a read may yield something."""
        if self.more:
            return True
        if self.records.complete == 0:
            return False
        if <Py_ssize_t> self.incoming.pending > self.records.tail:
            return True
        self.records.taken()
        return False

    cdef Py_ssize_t waiting(self) except -1:
        """Return how many bytes wait in complete records."""
        if self.records.complete == 0:
            return 0
        return <Py_ssize_t> self.incoming.pending - self.records.tail

    cdef object collect(self, const char **data, Py_ssize_t *size):
        """Put in what the peer sent, and return all that it holds; sets `ended`, `failure`."""
        cdef PyObject *memory
        cdef Py_ssize_t filled
        # No cipher makes a record shorter than what it holds.
        cdef Py_ssize_t bound = size[0] + self.records.tail + (RECORD if self.more else 0)
        if self.records.complete:
            bound += <Py_ssize_t> self.incoming.pending
        if size[0] <= PORTION and not self.more:
            if size[0]:
                self.feed_portion(data, size)
            if self.records.complete == 0:
                return b""
            if self.records.complete == 1 and not (self.records.lost or self.copies):
                self.records.taken()
                try:
                    received = self.ssl.read(bound)
                except NEEDS_MORE:
                    return b""
                if not received:
                    self.ended = True
                return received
        memory = PyBytes_FromStringAndSize(NULL, bound)
        filled = self.fill(PyBytes_AS_STRING(memory), bound, data, size)
        # What realloc cuts off is soon used by others, and each large object then finds too little
        # room where the last one was: the heap would grow. So a small part is left unused.
        if bound - filled <= filled // 8:
            bytes_set_length(memory, filled)
        else:
            _PyBytes_Resize(&memory, filled)
        result = <bytes> memory
        Py_DECREF(result)
        return result

    cdef Py_ssize_t fill(
        self, char *into, Py_ssize_t room, const char **data, Py_ssize_t *size
    ) except -1:
        """Like `collect`, into memory that is there; return how much that was."""
        cdef Py_ssize_t filled = 0, count
        try:
            while filled < room:
                if self.has_record():
                    count = self.read(into + filled, room - filled)
                    if count > 0:
                        filled += count
                    elif count == 0:
                        self.ended = True
                        break
                elif size[0]:
                    self.feed_portion(data, size)
                else:
                    break
        except BaseException as error:
            # What came before is the application's all the same.
            self.failure = error
        return filled

    cdef Py_ssize_t read(self, char *into, Py_ssize_t size) except -2:
        """Decrypt at most one record; 0 is the peer's end."""
        cdef Py_ssize_t count
        try:
            if self.copies:
                count = copy_into(into, size, self.ssl.read(size))
            else:
                count = self.ssl.read(size, PyMemoryView_FromMemory(into, size, PyBUF_WRITE))
        except NEEDS_MORE:
            self.records.taken()
            self.more = False
            return WAIT
        self.more = count == size and <bint> self.ssl.pending()
        return count

    cdef int discard(self) except -1:
        """Read what nobody wants any more, so that the end of the peer's data is found."""
        try:
            while self.ssl.read(RECORD):
                pass
        except NEEDS_MORE:
            pass
        self.records.taken()
        self.more = False
        return 0

    cdef bint encrypt(self, const char *data, Py_ssize_t size) except -1:
        """Encrypt; return False where OpenSSL needs to hear of the peer first."""
        try:
            if self.copies:
                self.ssl.write(data[:size])
            else:
                self.ssl.write(PyMemoryView_FromMemory(<char *> data, size, PyBUF_READ))
        except NEEDS_MORE:
            return False
        return True
