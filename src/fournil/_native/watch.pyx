"""The watch: finds steps that block, and gathers the evidence of where and why.

A native thread that never takes the GIL: it looks at the step that each thread says it is
in, and when one is past the threshold, at the thread, again and again (looks.pyx). A thread that
holds the GIL is handed to the probe, which tells Python code from C code. Where a loop waits for
the GIL, in a step or between two, it looks at the thread that has it.

It is awake ten times a second at least: to renew the recording's clock, to answer what another
process asks through the recording's control words, and to write the history of loops. Where it
wakes late itself, it says so: the machine was busy, or the process was stopped.
"""

import os

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.cpu_marks cimport mark_cpu
from fournil._native.gil_probe cimport GilProbe
from fournil._native.history cimport History
from fournil._native.layout cimport (
    CONTROL_THRESHOLD,
    MAX_LOOPS,
    MAX_THREADS,
    SAMPLE_HOLDER,
    SAMPLE_LATE,
    SAMPLE_LOOK,
    SAW_GIL_HELD,
    SAW_GIL_WAIT,
    SAW_KEPT,
    SAW_ON_CPU,
    THREAD_CLOSED,
    THREAD_LOOP,
    THREAD_SCRIPT,
    WATCH_NO_THREADS,
    Header,
    Sample,
    Thread,
)
from fournil._native.looks cimport Look, Looks, Sight
from fournil._native.ring cimport Ring
from fournil._native.stacks cimport StackStore
from fournil._native.sys.atomics cimport observe, observe_again, publish
from fournil._native.sys.interpreter cimport interpreter_ends
from fournil._native.sys.native_thread cimport native_thread_start
from fournil._native.sys.pause cimport pause_end, pause_for
from fournil._native.sys.stack_signal cimport PyThreadState, StackSeen
from fournil._native.sys.thread_descriptors cimport descriptor_close, descriptor_open
from fournil._native.sys.thread_state cimport (
    SYS_futex,
    group_throttled_us,
    thread_cpu_ns,
    thread_cpu_wait_ns,
    thread_file_reopen,
    thread_syscall,
)
from fournil._native.sys.threads cimport gettid, pthread_join
from fournil._native.sys.ticks cimport monotonic_ns, ticks_choose, ticks_now

cdef enum:
    # Milliseconds.
    FIRST_INTERVAL = 8                  # between the samples of a step
    LAST_INTERVAL = 100                 # of one that blocks for long
    SCRIPT_INTERVAL = 10                # of a script outside any loop, at first
    SCRIPT_LAST_INTERVAL = 50
    HOLDER_INTERVAL = 2                 # between looks at whether a thread has let go of the GIL
    CLOCK_INTERVAL = 100                # between renewals of the recording's clock
    HISTORY_INTERVAL = 1000             # between rows of the history
    LATE = 5                            # by so much later than it wanted to, the watch is late
    # Switch intervals: who used so much CPU time without a wait has kept the GIL.
    KEPT = 3
    # Nanoseconds.
    DEFAULT_SWITCH_INTERVAL = 5_000_000
    # What may be asked for as the threshold: record/bounds.py.
    SHORTEST_THRESHOLD = 1_000_000
    LONGEST_THRESHOLD = 3_600_000_000_000

ctypedef void *(*Run)(void *) noexcept nogil

cdef uint64_t NEVER = <uint64_t> -1

ticks_choose()


cdef class Watch:
    """Watches the threads of a ring until it is stopped.

    Args:
        ring: the recording.
        quota: the path of the file that tells how long a quota has stopped this process; None: no
            quota is known.
    """

    def __cinit__(self, Ring ring not None, bytes quota=None):
        self.ring = ring
        self.stacks = StackStore(ring)
        self.probe = GilProbe(ring)
        self.history = History(ring)
        self.looks = Looks(ring, self.probe)
        self.quota = quota
        if quota is not None:
            self.quota_path = self.quota

    def start(self):
        """Begin to watch. Where the system refuses it threads, the recording says so."""
        cdef Header *header = self.ring.header
        cdef int error
        if self.started:
            raise RuntimeError("a watch is started once; make another one")
        self.started = True
        self.ticks_per_ms = <uint64_t> (
            1e6 * (header.clock_ticks - header.started_ticks)
            / <double> (header.clock_ns - header.started_ns)
        )
        error = self.probe.start()
        if error == 0:
            self.looks.prepare(self.ticks_per_ms / 1e6)
            error = native_thread_start(
                &self.thread, "fournil-watch", <Run> watch_in_thread, <void *> self
            )
            if error:
                self.end()
        if error:
            header.watch_error = WATCH_NO_THREADS | error
            return
        with nogil:
            while not pause_for(&self.ready, 1_000_000_000):
                pass
        self.running = True
        # The thread's: what ends without `stop`, as a process that forgets its recorder, must not
        # take away what the thread looks at.
        Py_INCREF(self)

    def stop(self):
        """Stop watching and give the signal back."""
        # A forked child has no such thread. Of an interpreter that ends, it goes by itself.
        if not self.running or self.ring.pid != os.getpid() or interpreter_ends():
            return
        self.running = False
        pause_end(&self.stopping)
        with nogil:
            pthread_join(self.thread, NULL)
        self.end()
        Py_DECREF(self)

    cdef void end(self) noexcept:
        self.probe.stop()
        self.looks.give_back()

    # The watch's thread.

    cdef void watch(self) noexcept nogil:
        cdef uint64_t now, due
        cdef uint64_t renewed = 0
        cdef uint64_t wait_ms = 1
        cdef int slot
        self.looks.begin()
        self.tid = gettid()
        self.wanted_ns = 0
        if self.quota_path != NULL:
            self.quota_stat = descriptor_open(NULL, self.quota_path, 0, self.looks.apart)
            self.throttled_us = group_throttled_us(&self.quota_stat)
        pause_end(&self.ready)
        due = ticks_now() + wait_ms * self.ticks_per_ms
        while not pause_for(&self.stopping, wait_ms * 1_000_000) and not interpreter_ends():
            self.ring.look()
            now = ticks_now()
            self.note_late(due, now)
            if now - renewed >= CLOCK_INTERVAL * self.ticks_per_ms:
                renewed = now
                renew_clock(self.ring)
            self.answer_control()
            self.history.write(now, HISTORY_INTERVAL * self.ticks_per_ms)
            wait_ms = min(self.look_at_all(now), <uint64_t> CLOCK_INTERVAL)
            due = ticks_now() + wait_ms * self.ticks_per_ms
        self.note_late(due, ticks_now())
        self.history.write(ticks_now(), 0)
        for slot in range(MAX_THREADS):
            self.looks.close_files_of(&self.looked[slot])
        self.looks.close_files_of(&self.holder)
        descriptor_close(&self.schedstat)
        descriptor_close(&self.quota_stat)
        self.looks.close_files()

    cdef void note_late(self, uint64_t due, uint64_t now) noexcept nogil:
        """Write down that the watch could not look when it wanted to, where a step blocked."""
        cdef uint64_t before = self.wanted_ns
        cdef uint64_t throttled = 0
        cdef bint is_late = now > due + LATE * self.ticks_per_ms
        cdef Sample *sample
        thread_file_reopen(&self.schedstat, &self.looks.threads, self.tid, "schedstat")
        self.wanted_ns = thread_cpu_wait_ns(&self.schedstat)
        if not is_late and not self.was_starved:
            return
        self.was_starved = False
        if self.quota_stat.opened:
            throttled = group_throttled_us(&self.quota_stat)
            throttled, self.throttled_us = throttled - self.throttled_us, throttled
        if throttled == 0 and not (is_late and self.has_blocked(due)):
            return
        sample = self.ring.next_sample()
        sample.at = now
        sample.since = due if is_late else now
        sample.number = self.wanted_ns - before
        sample.extra = <uint32_t> throttled
        sample.kind = SAMPLE_LATE

    cdef bint has_blocked(self, uint64_t since) noexcept nogil:
        """Tell whether a step has blocked since a tick, or one that runs was begun before."""
        cdef uint64_t blocked = 0
        cdef uint64_t begin
        cdef bint is_between = False
        cdef bint found = False
        cdef uint32_t slot = self.next_slot(0)
        while slot < MAX_THREADS:
            begin = self.begin_of(slot, &is_between)
            found = found or 0 < begin < since
            if slot < MAX_LOOPS:
                blocked += self.ring.loops[slot].blocked
            slot = self.next_slot(slot + 1)
        found = found or blocked != self.blocked
        self.blocked = blocked
        return found

    cdef void answer_control(self) noexcept nogil:
        """Do what another process asks for, if it is anything; see record/control.py."""
        cdef Header *header = self.ring.header
        cdef uint64_t request = observe(&header.control_request)
        cdef uint64_t value
        if request == header.control_answered:
            return
        value = header.control_value
        header.control_refused = 1
        if (
            header.control_command == CONTROL_THRESHOLD
            and SHORTEST_THRESHOLD <= value <= LONGEST_THRESHOLD
        ):
            value = <uint64_t> (value / 1e6 * self.ticks_per_ms)
            self.ring.threshold_ticks = header.threshold_ticks = value
            header.control_refused = 0
        publish(&header.control_answered, request)

    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil:
        """Look at each thread whose step is due for a look; return how long to wait then, ms."""
        cdef uint64_t next = now + max(self.ring.threshold_ticks // 2, self.ticks_per_ms)
        cdef uint32_t slot = self.next_slot(0)
        while slot < MAX_THREADS:
            next = min(next, self.look_if_due(slot, &now))
            slot = self.next_slot(slot + 1)
        self.probe.open()
        if self.probe.is_open():
            self.look_at_timed()
            next = min(next, now + HOLDER_INTERVAL * self.ticks_per_ms)
        if next <= now:
            return 1
        return (next - now) // self.ticks_per_ms + 1

    cdef uint32_t next_slot(self, uint32_t slot) noexcept nogil:
        """Return the first slot from one on that was ever used; MAX_THREADS: there is none."""
        if slot < MAX_LOOPS and slot >= self.ring.header.loops_used:
            slot = MAX_LOOPS
        if slot >= MAX_LOOPS and slot - MAX_LOOPS >= self.ring.header.threads_used:
            return MAX_THREADS
        return slot

    cdef uint64_t begin_of(self, uint32_t slot, bint *is_between) noexcept nogil:
        """Return when what a thread is in began: a step, or a wait for the GIL; 0: neither."""
        cdef Thread *thread = &self.ring.threads[slot]
        cdef uint64_t begin = observe(&thread.begin)
        cdef uint64_t waiting, returned
        is_between[0] = False
        if thread.state == THREAD_CLOSED:
            return 0
        if begin == 0 and thread.state == THREAD_LOOP:
            waiting = observe(&thread.waiting_since)
            returned = observe(&thread.returned)
            if 0 < waiting < returned:
                is_between[0] = True
                return returned
        return begin

    cdef uint64_t look_if_due(self, uint32_t slot, uint64_t *now) noexcept nogil:
        """Look at a thread if that is due; return the tick when it is the next time."""
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Look *look = &self.looked[slot]
        cdef bint is_between = False
        cdef uint64_t begin = self.begin_of(slot, &is_between)
        cdef uint64_t first = self.ring.threshold_ticks
        cdef uint64_t age
        if begin == 0:
            look.begin = 0
            return NEVER
        if thread.state == THREAD_SCRIPT:
            first = SCRIPT_INTERVAL * self.ticks_per_ms
        if look.begin != begin:
            self.meet(slot, begin, is_between, first, now[0])
        if look.next <= now[0]:
            self.look_at(slot, begin)
            now[0] = ticks_now()
            age = now[0] - begin
            if thread.state == THREAD_SCRIPT:
                look.next = now[0] + self.interval(
                    age // 64, SCRIPT_INTERVAL, SCRIPT_LAST_INTERVAL
                )
            else:
                look.next = now[0] + self.interval(age // 32, FIRST_INTERVAL, LAST_INTERVAL)
        return look.next

    cdef void meet(
        self, uint32_t slot, uint64_t begin, bint is_between, uint64_t first, uint64_t now
    ) noexcept nogil:
        """Begin to look at what a thread is in."""
        cdef int tid = <int> self.ring.threads[slot].native_id
        cdef Look *look = &self.looked[slot]
        look.begin = look.last = begin
        look.is_between = is_between
        look.met = now
        look.next = begin + first
        self.looks.meet(look, tid)
        if is_between:
            self.note_holder(slot)
        elif slot < MAX_LOOPS:
            mark_cpu(
                &self.ring.cpu_marks[slot], now, look.last_cpu_ns,
                self.ring.loops[slot].busy + now - begin,
            )

    cdef void look_at_timed(self) noexcept nogil:
        """Notice the threads that are being timed and have let go of the GIL."""
        # Another thread may have taken it before the probe. Python code that competes for the
        # GIL would otherwise look like C code that keeps it.
        cdef uint32_t slot = self.next_slot(0)
        cdef bint told = self.probe.holder_is_told()
        cdef Look *look
        while slot < MAX_THREADS:
            look = &self.looked[slot]
            if self.probe.is_timing(slot, look.begin):
                if self.waits_for_gil(look):
                    self.probe.note_let_go(slot, thread_cpu_ns(look.tid))
                elif told:
                    self.probe.note_told(slot, thread_cpu_ns(look.tid))
            slot = self.next_slot(slot + 1)

    cdef bint waits_for_gil(self, Look *look) noexcept nogil:
        cdef uint64_t argument = 0
        return (
            thread_syscall(&look.syscall, &argument) == SYS_futex
            and self.probe.is_gil_futex(argument)
        )

    cdef uint64_t interval(self, uint64_t ticks, uint64_t least, uint64_t most) noexcept nogil:
        """Return a number of ticks that lies between two numbers of milliseconds."""
        return min(max(ticks, least * self.ticks_per_ms), most * self.ticks_per_ms)

    cdef void look_at(self, int slot, uint64_t begin) noexcept nogil:
        """Take one sample of a blocked step, or of a wait for the GIL."""
        cdef Look *look = &self.looked[slot]
        cdef const PyThreadState *state = <const PyThreadState *> self.ring.states[slot]
        cdef Sight sight
        self.looks.open_files()
        if look.is_between:
            self.look_at_holder(slot, begin, look.last, ticks_now())
        elif self.looks.open_files_of(look, <int> self.ring.threads[slot].native_id):
            if self.looks.see(look, state, &sight):
                self.write_sample(slot, begin, &sight)

    cdef void write_sample(self, int slot, uint64_t begin, Sight *sight) noexcept nogil:
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Look *look = &self.looked[slot]
        cdef uint64_t now = ticks_now()
        cdef uint64_t last = look.last
        cdef uint32_t subject = thread.subject
        cdef uint32_t kind = thread.kind
        cdef uint32_t ask = 0
        cdef bint holds
        cdef Sample *sample
        if observe_again(&thread.begin) != begin:
            return  # the step ended meanwhile: what was seen may be of the next
        self.looks.see_times(look, now, sight)
        self.was_starved = self.was_starved or sight.wanted > LATE * self.ticks_per_ms
        holds = sight.evidence & SAW_ON_CPU and sight.evidence & SAW_GIL_HELD
        if holds:
            ask = self.probe.time_holder(slot, begin, look.tid)
        elif self.probe.is_timing(slot, begin):
            self.probe.note_let_go(slot, look.last_cpu_ns)
        elif thread.state == THREAD_LOOP and not sight.evidence & SAW_GIL_WAIT:
            self.probe.ask_what_it_serves(slot, begin)
        self.probe.note_cpu(slot, look.last_cpu_ns)
        sample = self.ring.next_sample()
        sample.at = now
        # It stands for as much of the time since the last one as the thread spent so.
        sample.since = now - sight.on_cpu if sight.runs else last + sight.on_cpu + sight.wanted
        sample.begin = begin
        sample.delay = sight.wanted
        sample.subject = subject
        sample.ask = ask
        sample.extra = sight.syscall
        sample.thread = slot
        sample.evidence = sight.evidence
        sample.step_kind = kind
        self.write_stack(sample, sight.stack)
        sample.kind = SAMPLE_LOOK
        if sight.evidence & SAW_GIL_WAIT and slot < MAX_LOOPS:
            self.look_at_holder(slot, begin, sample.since, now)

    cdef void note_holder(self, int slot) noexcept nogil:
        """Note who has the GIL, and how often it has waited, for the look that may follow."""
        cdef Look *look = &self.looked[slot]
        cdef int tid = 0
        self.looks.holder_of_gil(<const PyThreadState *> self.ring.states[slot], &tid)
        self.looks.note_holder(look, tid)

    cdef void look_at_holder(
        self, int slot, uint64_t begin, uint64_t since, uint64_t now
    ) noexcept nogil:
        """Take one sample of the thread that has the GIL for which a loop waits."""
        cdef Look *look = &self.looked[slot]
        cdef const PyThreadState *holder
        cdef Sight sight
        cdef Sample *sample
        cdef int before = look.holder
        cdef uint64_t wanted_ns = look.holder_wanted_ns
        cdef int tid = 0
        cdef bint is_between = False
        holder = self.looks.holder_of_gil(<const PyThreadState *> self.ring.states[slot], &tid)
        if holder == NULL or not self.looks.open_files_of(&self.holder, tid):
            return
        if not self.looks.see(&self.holder, holder, &sight):
            return
        if not sight.stack.gil or self.begin_of(slot, &is_between) != begin:
            return  # it has let go of it meanwhile
        self.looks.note_holder(look, tid)
        sample = self.ring.next_sample()
        sample.at = now
        sample.since = since
        sample.begin = begin
        sample.subject = tid
        sample.thread = slot
        sample.evidence = sight.evidence
        if before == tid:
            sample.delay = (look.holder_wanted_ns - wanted_ns) * self.ticks_per_ms // 1_000_000
            if thread_cpu_ns(tid) >= look.holder_cpu_ns + KEPT * self.switch_interval_ns():
                sample.evidence |= SAW_KEPT
        self.write_stack(sample, sight.stack)
        sample.kind = SAMPLE_HOLDER
        publish(&self.ring.gil_holders[slot], tid)
        self.probe.ask_for_names()
        if look.is_between:
            look.last = now

    cdef uint64_t switch_interval_ns(self) noexcept nogil:
        return self.ring.header.switch_interval_ns or DEFAULT_SWITCH_INTERVAL

    cdef void write_stack(self, Sample *sample, StackSeen *seen) noexcept nogil:
        """Write down the stack of a look, and what the collector of garbage did."""
        if seen.length:
            sample.stack = self.stacks.store(seen.text, seen.length)
        sample.generation = seen.collector.generation
        sample.number = seen.collector.objects


cdef void renew_clock(Ring ring) noexcept nogil:
    """Write down the time and the tick once more; only the watch and, after it, `end` do."""
    publish(&ring.header.clock_sequence, ring.header.clock_sequence + 1)
    ring.header.clock_ns = monotonic_ns()
    ring.header.clock_ticks = ticks_now()
    publish(&ring.header.clock_sequence, ring.header.clock_sequence + 1)


# The thread takes no GIL, and so no reference of its own; `start` took one for it.
cdef void *watch_in_thread(Watch watch) noexcept nogil:
    watch.watch()
    return NULL
