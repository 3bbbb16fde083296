# cython: binding=False
"""Where the records of a TLS stream end.

OpenSSL says that it needs more by an exception, which costs as much as to decrypt a small
message. A record's length stands in its first five bytes, in the clear, in each version of TLS:
who counts them knows whether a record is complete, and does not ask in vain.
"""

from libc.string cimport memcpy

cdef enum:
    HEAD = 5
    # A record's largest body: 2^14 bytes and what a cipher may add, in the versions before 1.3.
    LARGEST = 16384 + 2048
    # The kinds of records: change_cipher_spec, alert, handshake, application_data, heartbeat.
    FIRST_KIND = 20
    LAST_KIND = 24


cdef class Records:
    """Counts the records of a stream."""

    cdef void add(self, const unsigned char *data, Py_ssize_t size) noexcept:
        cdef Py_ssize_t step
        while size > 0 and not self.lost:
            if self.body_left:
                step = min(size, self.body_left)
                self.body_left -= step
                self.tail += step
                if self.body_left == 0:
                    self.complete += 1
                    self.tail = 0
            else:
                step = min(size, HEAD - self.head_size)
                memcpy(&self.head[self.head_size], data, step)
                self.head_size += step
                self.tail += step
                if self.head_size == HEAD:
                    self.begin_body()
            data += step
            size -= step
        if self.lost:
            self.complete = 1

    cdef void begin_body(self) noexcept:
        self.head_size = 0
        self.body_left = (self.head[3] << 8) | self.head[4]
        if not FIRST_KIND <= self.head[0] <= LAST_KIND or self.body_left > LARGEST:
            # Whether there is something to read, only OpenSSL knows from now on.
            self.lost = True
            self.tail = 0
        elif self.body_left == 0:
            self.complete += 1
            self.tail = 0

    cdef void taken(self) noexcept:
        """All records that are complete were read."""
        self.complete = 0

    def feed(self, bytes data not None):
        """Count the records in `data`, which follows what was fed before."""
        self.add(data, len(data))
