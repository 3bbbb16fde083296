"""What the recorder does for each call of a pool: its entry, its pool's totals."""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from fournil._native.layout cimport (
    CALL_ABANDONED,
    CALL_CANCELLED,
    CALL_DIED,
    CALL_DONE,
    CALL_RAISED,
    MAX_LOOPS,
    MAX_POOLS,
    MAX_WORKERS,
    POOL_CLOSED,
    POOL_OPEN,
    Call,
    Pool,
    Worker,
)
from fournil._native.ring cimport Ring, current_ring, next_number, pack_ticks
from fournil._native.sys.atomics cimport begin_slot, end_slot, publish
from fournil._native.sys.ticks cimport monotonic_ns

cdef extern from "Python.h":
    void *PyThreadState_Get()


cdef Pool *find_slot(Ring ring) noexcept:
    """Return a slot for a new pool; NULL when all are taken by open ones."""
    cdef int slot
    cdef Pool *found = NULL
    if ring.header.pools_used < MAX_POOLS:
        found = &ring.pools[ring.header.pools_used]
        ring.header.pools_used += 1
    else:
        for slot in range(MAX_POOLS):
            if ring.pools[slot].state == POOL_CLOSED and (
                found == NULL or ring.pools[slot].closed < found.closed
            ):
                found = &ring.pools[slot]
        if found == NULL:
            ring.header.pools_dropped += 1
            return NULL
        ring.header.pools_recycled += 1
    return found


cdef uint32_t subject_here(Ring ring) noexcept:
    """Return the subject of the step that runs in this thread; 0: none does."""
    cdef void *here = PyThreadState_Get()
    cdef int slot
    for slot in range(<int> min(ring.header.loops_used, <uint64_t> MAX_LOOPS)):
        if ring.states[slot] == here and slot != ring.script_slot:
            return ring.threads[slot].subject if ring.threads[slot].begin else 0
    return 0


# Its end writes into the ring, which a collection of garbage must not take from it before.
@cython.no_gc_clear
cdef class PoolRecord:
    """The recorder's side of one pool; `fournil.record.hook.PoolRecord` says what it does."""

    def __cinit__(self, Ring ring not None, str kind not None, str name not None, uint32_t workers):
        self.ring = ring
        self.free_since = {}
        self.slots = {}
        cdef uint32_t kind_text = ring.intern(kind)
        cdef uint32_t name_text = ring.intern(name)
        self.pool = find_slot(ring)
        if self.pool == NULL:
            return
        begin_slot(&self.pool.number)
        memset(self.pool, 0, sizeof(Pool))
        self.pool.state = POOL_OPEN
        self.pool.kind = kind_text
        self.pool.name = name_text
        self.pool.workers = workers
        self.pool.opened = monotonic_ns()
        ring.last_pool = next_number(ring.last_pool)
        end_slot(&self.pool.number, ring.last_pool)

    def __dealloc__(self):
        self.end()

    cdef void end(self) noexcept:
        if self.pool != NULL:
            for worker in list(self.slots):
                self.left(worker)
            self.pool.closed = monotonic_ns()
            self.pool.state = POOL_CLOSED
            self.pool = NULL

    def queued(self):
        """A call is given to the pool; return the subject of the step that does so."""
        if self.pool != NULL:
            self.pool.calls += 1
        return subject_here(self.ring)

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
        if self.pool == NULL:
            return
        call = &ring.calls[ring.header.calls_head & ring.calls_mask]
        call.queued, call.sent, call.began, call.ended, call.received = times
        call.bytes_out = pack_ticks(bytes_out)
        call.bytes_back = pack_ticks(bytes_back)
        call.subject = subject
        call.site = ring.site_of_callback(<PyObject *> function)
        call.worker = 0 if worker is None else ring.intern(worker)
        call.pool = <unsigned short> self.pool.number
        call.state = state
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
        self.pool.bytes_out += bytes_out
        self.pool.bytes_back += bytes_back
        if call.ended:
            self.add_times(worker, call)
        publish(&ring.header.calls_head, ring.header.calls_head + 1)

    cdef int add_times(self, str worker, Call *call) except -1:
        """Add what a call that ran took to the totals."""
        # A worker may have several calls: one that is sent before the worker is free waits, like
        # those in the queue. So does the first call of a worker, which has to start. Outcomes that
        # come together are taken one after the other: what each takes is counted once.
        cdef uint64_t free = self.free_since.get(worker, call.began)
        free = min(max(free, call.queued, call.sent), call.began)
        self.free_since[worker] = call.ended
        self.pool.ran += 1
        self.pool.waited += free - call.queued
        self.pool.out += call.began - free
        self.pool.inside += call.ended - call.began
        self.pool.back += call.received - min(max(call.ended, self.received), call.received)
        self.pool.longest = max(self.pool.longest, call.ended - call.began)
        self.received = call.received
        return 0

    cdef Worker *slot_of(self, str worker) except? NULL:
        """Return the slot of a worker, a new one where it has none; NULL: all are taken."""
        cdef Ring ring = self.ring
        cdef int slot
        cdef uint32_t name
        known = self.slots.get(worker)
        if known is not None:
            slot = known
            return NULL if slot < 0 else &ring.workers[slot]
        name = ring.intern(worker)
        for slot in range(MAX_WORKERS):
            if ring.workers[slot].pool == 0:
                begin_slot(&ring.workers[slot].sequence)
                ring.workers[slot].pool = self.pool.number
                ring.workers[slot].name = name
                ring.workers[slot].call = ring.workers[slot].since = 0
                break
        else:
            ring.header.workers_dropped += 1
            self.slots[worker] = -1
            return NULL
        self.slots[worker] = slot
        return &ring.workers[slot]

    def began(self, str worker not None, function, uint64_t since_ns):
        """A worker has begun a call."""
        cdef Worker *slot
        cdef uint32_t site
        # The pool finds out at its next call that a recording has ended.
        if self.pool == NULL or <PyObject *> self.ring != current_ring:
            return
        slot = self.slot_of(worker)
        if slot == NULL:
            return
        site = self.ring.site_of_callback(<PyObject *> function)
        begin_slot(&slot.sequence)
        slot.site = site
        slot.call += 1
        slot.since = since_ns
        self.ring.last_worker = next_number(self.ring.last_worker)
        end_slot(&slot.sequence, self.ring.last_worker)

    def idle(self, str worker not None):
        """A worker has ended what it ran."""
        cdef int slot = self.slots.get(worker, -1)
        if slot >= 0 and <PyObject *> self.ring == current_ring:
            publish(&self.ring.workers[slot].since, 0)

    def left(self, str worker not None):
        """A worker has ended."""
        # What it ran when the recording ended, stays.
        cdef int slot = self.slots.pop(worker, -1)
        if slot >= 0 and <PyObject *> self.ring == current_ring:
            begin_slot(&self.ring.workers[slot].sequence)
            self.ring.workers[slot].pool = 0

    def used(self, uint64_t cpu_ns):
        """The pool's workers used the CPU for so long, since this was last told."""
        if self.pool != NULL:
            self.pool.cpu += cpu_ns

    def close(self):
        """The pool has ended."""
        self.end()
