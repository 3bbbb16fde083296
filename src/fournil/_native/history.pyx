"""The history of loops: a row a second of each, as layout.HISTORY has it.

The watch writes it: a loop that is stuck writes nothing, and one that is not has no look at a clock
to spare for this. What it reads are single words that only grow, of which each is whole. They
are not of one moment: a row may take some nanoseconds from the next.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from fournil._native.layout cimport (
    MAX_LOOPS,
    TURN_BUCKETS,
    HistoryRow,
    Loop,
    Thread,
)
from fournil._native.ring cimport Ring, pack_ticks
from fournil._native.sys.atomics cimport observe, publish


cdef class History:
    """Writes the rows of a ring's loops."""

    def __cinit__(self, Ring ring not None):
        self.ring = ring
        self.written = ring.header.started_ticks

    def __dealloc__(self):
        cdef int slot
        for slot in range(MAX_LOOPS):
            free(self.past[slot].turns)

    cdef void write(self, uint64_t now, uint64_t interval) noexcept nogil:
        """Write rows, if the last ones are as old as the interval."""
        cdef uint32_t used = <uint32_t> min(self.ring.header.loops_used, <uint64_t> MAX_LOOPS)
        cdef uint32_t slot
        if now - self.written < interval:
            return
        self.written = now
        for slot in range(used):
            self.write_row(slot, now)

    cdef void write_row(self, int slot, uint64_t now) noexcept nogil:
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Loop *loop = &self.ring.loops[slot]
        cdef Past *past = &self.past[slot]
        cdef Totals then, totals
        cdef uint64_t lasted, ran, waited
        cdef HistoryRow *row
        if past.turns == NULL:
            past.turns = <uint64_t *> calloc(TURN_BUCKETS, sizeof(uint64_t))
            if past.turns == NULL:
                return
        if thread.sequence == 0 or thread.number == 0:
            return
        if past.sequence != thread.sequence:
            past.sequence = thread.sequence
            memset(&past.totals, 0, sizeof(Totals))
            memset(past.turns, 0, TURN_BUCKETS * sizeof(uint64_t))
            past.totals.at = thread.opened
        then = past.totals
        totals = totals_of(thread, loop, now)
        past.totals = totals
        ran = less(totals.ran, then.ran)
        if ran == 0 and totals.steps == then.steps:
            return
        lasted = less(now, then.at)
        waited = less(totals.idle, then.idle) + less(totals.gil_waited, then.gil_waited)
        row = &self.ring.history[self.ring.header.history_head & self.ring.history_mask]
        row.at = now
        row.lasted = pack_ticks(lasted)
        row.loop = thread.number
        row.steps = <uint32_t> less(totals.steps, then.steps)
        row.pending = loop.pending
        row.blocked = <uint32_t> less(totals.blocked, then.blocked)
        row.busy = pack_ticks(min(less(ran, waited), lasted))
        row.gil_waited = pack_ticks(min(less(totals.gil_waited, then.gil_waited), lasted))
        write_lag(row, loop, past.turns, lasted, age_of_turn(thread, now))
        publish(&self.ring.header.history_head, self.ring.header.history_head + 1)


cdef inline uint64_t less(uint64_t number, uint64_t other) noexcept nogil:
    """Return a difference; 0 where it is negative, as words of different moments may make it."""
    return number - other if number > other else 0


cdef Totals totals_of(Thread *thread, Loop *loop, uint64_t now) noexcept nogil:
    """Return what a loop has done so far, with what goes on."""
    cdef Totals totals
    cdef uint64_t running = observe(&loop.running_since)
    cdef uint64_t waiting = observe(&thread.waiting_since)
    cdef uint64_t returned = observe(&thread.returned)
    totals.at = now
    totals.ran = loop.ran
    totals.idle = loop.idle
    totals.gil_waited = loop.gil_waited
    totals.steps = loop.steps
    totals.blocked = loop.blocked
    if running:
        totals.ran += less(now, running)
    if waiting and returned > waiting:
        totals.idle += returned - waiting
        totals.gil_waited += less(now, returned)
    elif waiting:
        totals.idle += less(now, waiting)
    return totals


cdef uint64_t age_of_turn(Thread *thread, uint64_t now) noexcept nogil:
    """Return for how long the turn goes on at least that has not ended; 0: there is none."""
    cdef uint64_t waiting = observe(&thread.waiting_since)
    cdef uint64_t since = observe(&thread.begin)
    if waiting:
        since = observe(&thread.returned)
        if since < waiting:
            return 0
    return less(now, since) if since else 0


cdef void write_lag(
    HistoryRow *row, Loop *loop, uint64_t *before, uint64_t lasted, uint64_t age
) noexcept nogil:
    """Write the lag of a row's time, as fournil.observe.recording.lag defines it.

    Args:
        row: where to write it.
        loop: has the histogram of turns as it is now.
        before: the same histogram at the last row; it is renewed.
        lasted: how long the time was.
        age: of the turn that has not ended; 0: there is none.
    """
    cdef uint64_t now[TURN_BUCKETS]
    cdef int bucket = TURN_BUCKETS
    cdef uint64_t count = 1 if age else 0
    cdef uint64_t total = age
    cdef uint64_t longest = age
    cdef uint64_t p99 = 0
    cdef uint64_t times, length
    cdef bint found = False
    memcpy(now, loop.turns, sizeof(now))
    lasted = max(lasted, age)
    # From the longest to the shortest: the time above a length falls by one for each longer turn.
    while bucket > 0 and not found:
        bucket -= 1
        times = less(now[bucket], before[bucket])
        if times == 0:
            continue
        length = middle_of_bucket(bucket)
        longest = max(longest, length)
        if total > count * length and (total - count * length) * 100 >= lasted:
            found = True
        else:
            count += times
            total += times * length
    if count and total * 100 >= lasted:
        p99 = (total - lasted // 100) // count
    memcpy(before, now, sizeof(now))
    row.lag_p99 = pack_ticks(p99)
    row.lag_max = pack_ticks(longest)


cdef uint64_t middle_of_bucket(int bucket) noexcept nogil:
    """Return the middle of a bucket, as fournil.record.units.bucket_bounds has its bounds."""
    cdef uint64_t low, width
    if bucket < 8:
        return bucket
    width = <uint64_t> 1 << (bucket // 8 - 1)
    low = (8 + <uint64_t> (bucket % 8)) * width
    return low + width // 2
