"""What the recorder does for each call of a pool: its entry, its pool's totals."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport (
    CALL_ABANDONED,
    CALL_CANCELLED,
    CALL_DIED,
    CALL_DONE,
    CALL_RAISED,
    POOL_CLOSED,
    Call,
)
from fournil._native.ring cimport Ring, pack_ticks
from fournil._native.sys.atomics cimport publish
from fournil._native.sys.ticks cimport monotonic_ns


cdef class PoolRecord:
    """The recorder's side of one pool; `fournil.record.hook.PoolRecord` says what it does."""

    def __cinit__(self, Ring ring, str kind, str name, uint32_t workers):
        cdef int slot = ring.open_pool()
        self.ring = ring
        self.free_since = {}
        if slot < 0:
            return
        self.pool = &ring.pools[slot]
        self.pool.kind = ring.intern(kind)
        self.pool.name = ring.intern(name)
        self.pool.workers = workers
        self.pool.opened = monotonic_ns()

    def __dealloc__(self):
        if self.pool != NULL:
            self.pool.closed = monotonic_ns()
            self.pool.state = POOL_CLOSED

    def queued(self):
        """A call is given to the pool; return the subject of the step that does so."""
        if self.pool != NULL:
            self.pool.calls += 1
        return self.ring.subject_here()

    def ended(
        self,
        function,
        str worker,
        uint32_t subject,
        int state,
        tuple times,
        uint64_t bytes_out,
        uint64_t bytes_back,
    ):
        """A call has come to its end."""
        cdef Ring ring = self.ring
        cdef Call *call
        cdef uint64_t queued, sent, began, ended, received
        if self.pool == NULL:
            return
        queued, sent, began, ended, received = times
        if state == CALL_DONE:
            self.pool.done += 1
        elif state == CALL_RAISED:
            self.pool.raised += 1
        elif state == CALL_CANCELLED:
            self.pool.cancelled += 1
        elif state == CALL_ABANDONED:
            self.pool.abandoned += 1
        elif state == CALL_DIED:
            self.pool.died += 1
        if ended:
            self.add(worker, max(queued, sent), queued, began, ended, received)
        self.pool.bytes_out += bytes_out
        self.pool.bytes_back += bytes_back
        call = &ring.calls[ring.header.calls_head & ring.calls_mask]
        call.queued = queued
        call.sent = sent
        call.began = began
        call.ended = ended
        call.received = received
        call.bytes_out = pack_ticks(bytes_out)
        call.bytes_back = pack_ticks(bytes_back)
        call.subject = subject
        call.site = ring.site_of_callback(<PyObject *> function)
        call.worker = 0 if worker is None else ring.intern(worker)
        call.pool = <unsigned short> self.pool.number
        call.state = state
        publish(&ring.header.calls_head, ring.header.calls_head + 1)

    cdef int add(
        self,
        str worker,
        uint64_t sent,
        uint64_t queued,
        uint64_t began,
        uint64_t ended,
        uint64_t received,
    ) except -1:
        """Add a call that ran to the totals."""
        # A worker may have several calls: one that is sent before the worker is free waits, like
        # those in the queue. So does the first call of a worker, which has to start. Outcomes that
        # come together are taken one after the other: what each takes is counted once.
        cdef uint64_t free = self.free_since.get(worker, began)
        self.free_since[worker] = ended
        free = min(max(free, sent), began)
        self.pool.ran += 1
        self.pool.waited += free - queued
        self.pool.out += began - free
        self.pool.inside += ended - began
        self.pool.back += received - min(max(ended, self.received), received)
        self.received = received
        if ended - began > self.pool.longest:
            self.pool.longest = ended - began
        return 0

    def used(self, uint64_t cpu_ns):
        """The pool's workers used the CPU for so long, since this was last told."""
        if self.pool != NULL:
            self.pool.cpu += cpu_ns

    def close(self):
        """The pool has ended."""
        if self.pool != NULL:
            self.pool.closed = monotonic_ns()
            self.pool.state = POOL_CLOSED
            self.pool = NULL
