"""The watch: finds steps that block, and gathers the evidence of where and why.

A native thread that never takes the GIL: it looks at the step that each thread says it is
in, and when one is past the threshold, at the thread, again and again:

- on the CPU, the thread is sent a signal; its handler writes its stack, and whether it holds
  the GIL and was in a system call (see sys/stack_signal.h);
- off the CPU, no signal is sent. The watch itself reads the thread's stack, which does not
  change before the thread's CPU clock does.

A thread that holds the GIL is handed to the probe, which tells Python code from C code.

It is awake ten times a second at least: to renew the recording's clock, to answer what another
process asks through the recording's control words, and to write the history of loops.
"""

import os

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport ENOENT, ESRCH, errno
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.gil_probe cimport GilProbe
from fournil._native.history cimport History
from fournil._native.layout cimport (
    CONTROL_THRESHOLD,
    MAX_LOOPS,
    MAX_THREADS,
    SAMPLE_LOOK,
    SAW_GIL_HELD,
    SAW_GIL_WAIT,
    SAW_ON_CPU,
    THREAD_CLOSED,
    THREAD_LOOP,
    THREAD_SCRIPT,
    WATCH_NO_THREADS,
    Header,
    Sample,
    Thread,
)
from fournil._native.ring cimport Ring
from fournil._native.stacks cimport StackStore
from fournil._native.sys.atomics cimport observe, observe_again, publish
from fournil._native.sys.interpreter cimport interpreter_ends
from fournil._native.sys.native_thread cimport native_thread_start
from fournil._native.sys.pause cimport pause_end, pause_for
from fournil._native.sys.stack_signal cimport (
    STACK_IN_KERNEL,
    STACK_UNANSWERED,
    STACK_WAITS,
    PyThreadState,
    stack_read,
    stack_signal,
    stack_signal_ask,
    stack_signal_give_back,
    stack_signal_is_ours,
    stack_signal_take,
    stack_timer_make,
    stack_timer_remove,
)
from fournil._native.sys.thread_descriptors cimport (
    O_DIRECTORY,
    descriptor_close,
    descriptor_reopen,
    descriptors_apart,
)
from fournil._native.sys.thread_state cimport (
    THREADS,
    SYS_futex,
    thread_cpu_ns,
    thread_file,
    thread_kernel_ticks,
    thread_state,
    thread_syscall,
)
from fournil._native.sys.threads cimport pthread_join, usleep
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
    # Nanoseconds. What may be asked for as the threshold: record/bounds.py.
    SHORTEST_THRESHOLD = 1_000_000
    LONGEST_THRESHOLD = 3_600_000_000_000
    # How long a thread that was asked for its stack may be off the CPU, and how
    # long, on a busy machine or in a long system call, it may take to answer.
    OFF_CPU_PATIENCE = 8_000_000
    STACK_PATIENCE = 50_000_000
    # A thread that used more CPU time than this without answering does not take signals.
    # The kernel looks at CPU clocks at its ticks, each 1 to 10 ms.
    UNANSWERED_CPU = 20_000_000
    STACK_TRIES = 3
    # One that waits often and shortly is mostly found on its way from one wait to the next.
    WAITING_TRIES = 20

ctypedef void *(*Run)(void *) noexcept nogil

cdef uint64_t NEVER = <uint64_t> -1

ticks_choose()


cdef class Watch:
    """Watches the threads of a ring until it is stopped."""

    def __cinit__(self, Ring ring not None):
        self.ring = ring
        self.stacks = StackStore(ring)
        self.probe = GilProbe(ring)
        self.history = History(ring)

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
            # Without a signal, the watch sees less.
            self.signal = header.watch_signal = stack_signal_take()
            self.took_signal = self.signal != 0
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
        if self.took_signal:
            stack_signal_give_back()

    # The watch's thread.

    cdef void watch(self) noexcept nogil:
        cdef uint64_t now
        cdef uint64_t renewed = 0
        cdef uint64_t wait_ms = 1
        cdef int slot
        self.apart = descriptors_apart()
        self.open_files()
        self.reader.pid = self.ring.pid
        self.reader.memory = &self.memory
        pause_end(&self.ready)
        while not pause_for(&self.stopping, wait_ms * 1_000_000) and not interpreter_ends():
            self.ring.look()
            now = ticks_now()
            if now - renewed >= CLOCK_INTERVAL * self.ticks_per_ms:
                renewed = now
                renew_clock(self.ring)
            self.answer_control()
            self.history.write(now, HISTORY_INTERVAL * self.ticks_per_ms)
            wait_ms = min(self.look_at_all(now), <uint64_t> CLOCK_INTERVAL)
        self.history.write(ticks_now(), 0)
        for slot in range(MAX_THREADS):
            self.close_files_of(&self.looks[slot])
        self.probe.close_status()
        descriptor_close(&self.memory)
        descriptor_close(&self.threads)

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

    cdef void open_files(self) noexcept nogil:
        """Open what is not open yet, or was closed by the program."""
        descriptor_reopen(&self.threads, THREADS, O_DIRECTORY, self.apart)
        if not self.threads.opened:
            self.ring.header.watch_error = errno
        descriptor_reopen(&self.memory, "/proc/self/mem", 0, self.apart)
        self.probe.open_status(&self.threads)

    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil:
        """Look at each thread whose step is due for a look; return how long to wait then, ms."""
        cdef uint64_t next = now + max(self.ring.threshold_ticks // 2, self.ticks_per_ms)
        cdef uint32_t slot = self.next_slot(0)
        while slot < MAX_THREADS:
            next = min(next, self.look_if_due(slot, &now))
            slot = self.next_slot(slot + 1)
        self.probe.open()
        if self.probe.is_open():
            self.look_at_holders()
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

    cdef uint64_t look_if_due(self, uint32_t slot, uint64_t *now) noexcept nogil:
        """Look at a thread if that is due; return the tick when it is the next time."""
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Look *look = &self.looks[slot]
        cdef uint64_t begin = observe(&thread.begin)
        cdef uint64_t first = self.ring.threshold_ticks
        cdef uint64_t age
        if begin == 0 or thread.state == THREAD_CLOSED:
            look.begin = 0
            return NEVER
        if thread.state == THREAD_SCRIPT:
            first = SCRIPT_INTERVAL * self.ticks_per_ms
        if look.begin != begin:
            look.begin = look.last = begin
            look.unanswered_cpu_ns = 0
            look.met = now[0]
            look.last_cpu_ns = thread_cpu_ns(<int> thread.native_id)
            look.next = begin + first
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

    cdef void look_at_holders(self) noexcept nogil:
        """Notice the threads that are being timed and have let go of the GIL."""
        # Another thread may have taken it before the probe. Python code that competes for the
        # GIL would otherwise look like C code that keeps it.
        cdef uint32_t slot = self.next_slot(0)
        cdef bint told = self.probe.holder_is_told()
        cdef Look *look
        while slot < MAX_THREADS:
            look = &self.looks[slot]
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
        """Take one sample of a blocked step."""
        cdef Look *look = &self.looks[slot]
        cdef Sight sight
        cdef char state
        cdef uint64_t cpu_ns
        cdef long kernel_ticks
        cdef int answer = STACK_WAITS
        self.open_files()
        if not self.open_files_of(look, <int> self.ring.threads[slot].native_id):
            return
        state = thread_state(&look.stat)
        if state == 0:
            self.close_files_of(look)  # the thread has ended; another may get its number
            return
        sight.syscall = 0
        cpu_ns = thread_cpu_ns(look.tid)
        kernel_ticks = thread_kernel_ticks(&look.stat)
        if state == c"R":
            answer = self.ask_for_stack(slot)
        sight.runs = answer != STACK_WAITS
        if answer == STACK_WAITS:
            if not self.see_waiting(slot, &sight):
                return
        elif answer == STACK_UNANSWERED:
            if not self.see_running(slot, cpu_ns, kernel_ticks, &sight):
                return
        else:
            self.see_answer(answer, &sight)
        look.unanswered_cpu_ns = 0
        self.write_sample(slot, begin, &sight)

    cdef int ask_for_stack(self, int slot) noexcept nogil:
        """Have a thread write its stack; return as stack_signal_ask does."""
        cdef Look *look = &self.looks[slot]
        cdef int _attempt
        cdef int answer = STACK_UNANSWERED
        if self.signal and not stack_signal_is_ours():
            self.ring.header.watch_signal_lost = self.signal
            self.ring.header.watch_signal = 0
            self.signal = 0
        if self.signal == 0 or look.timer < 0:
            return STACK_UNANSWERED
        # A stack that was just changing can be read at the next try.
        for _attempt in range(STACK_TRIES):
            answer = stack_signal_ask(
                <const PyThreadState *> self.ring.states[slot], look.tid, look.timer, &look.stat,
                OFF_CPU_PATIENCE, STACK_PATIENCE,
            )
            if answer == STACK_UNANSWERED:
                self.ring.header.watch_unanswered += 1
            if answer == STACK_UNANSWERED or answer == STACK_WAITS or stack_signal.seen.length:
                break
        return answer

    cdef void see_answer(self, int answer, Sight *sight) noexcept nogil:
        """See a thread that has written its stack."""
        sight.stack = &stack_signal.seen
        if answer != STACK_IN_KERNEL:
            sight.evidence = SAW_ON_CPU
        elif self.probe.is_gil_futex(stack_signal.argument):
            sight.evidence = SAW_GIL_WAIT
        else:
            sight.evidence = 0

    cdef bint see_waiting(self, int slot, Sight *sight) noexcept nogil:
        """See a thread that is off the CPU; return whether it stayed so meanwhile."""
        cdef Look *look = &self.looks[slot]
        cdef uint64_t argument = 0
        cdef uint64_t cpu_ns
        cdef long number
        cdef int _attempt
        for _attempt in range(WAITING_TRIES):
            cpu_ns = thread_cpu_ns(look.tid)
            number = thread_syscall(&look.syscall, &argument)
            stack_read(&self.reader, <const PyThreadState *> self.ring.states[slot], &self.seen)
            if thread_state(&look.stat) != c"R" and thread_cpu_ns(look.tid) == cpu_ns:
                sight.stack = &self.seen
                sight.syscall = <uint32_t> (number + 1)
                sight.evidence = 0
                if number == SYS_futex and self.probe.is_gil_futex(argument):
                    sight.evidence = SAW_GIL_WAIT
                return True
            usleep(200)
        return False

    cdef bint see_running(
        self, int slot, uint64_t cpu_ns, long kernel_ticks, Sight *sight
    ) noexcept nogil:
        """See a thread that did not answer; return whether it has run enough while it was asked.

        On a busy machine, it may get that much of the CPU only in several requests.
        """
        cdef Look *look = &self.looks[slot]
        if look.unanswered_cpu_ns == 0:
            look.kernel_ticks = kernel_ticks
        look.unanswered_cpu_ns += max(thread_cpu_ns(look.tid), cpu_ns) - cpu_ns
        if self.signal and look.timer >= 0 and look.unanswered_cpu_ns < UNANSWERED_CPU:
            return False
        # It may run on meanwhile: a stack that is partly of one moment and partly of another
        # is better than none.
        stack_read(&self.reader, <const PyThreadState *> self.ring.states[slot], &self.seen)
        sight.stack = &self.seen
        sight.evidence = SAW_ON_CPU
        if not self.seen.gil and thread_kernel_ticks(&look.stat) > look.kernel_ticks:
            sight.evidence = 0
        return True

    cdef void write_sample(self, int slot, uint64_t begin, Sight *sight) noexcept nogil:
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Look *look = &self.looks[slot]
        cdef uint64_t now = ticks_now()
        cdef uint64_t cpu_ns = thread_cpu_ns(look.tid)
        cdef uint64_t on_cpu = self.time_on_cpu(look, now, cpu_ns)
        cdef uint32_t subject = thread.subject
        cdef uint32_t kind = thread.kind
        cdef StackSeen *seen = sight.stack
        cdef bint holds = sight.evidence & SAW_ON_CPU and seen.gil
        cdef uint32_t ask = 0
        cdef uint32_t stack = 0
        cdef Sample *sample
        if observe_again(&thread.begin) != begin:
            return  # the step ended meanwhile: what was seen may be of the next
        if holds:
            ask = self.probe.time_holder(slot, begin, look.tid)
        elif self.probe.is_timing(slot, begin):
            self.probe.note_let_go(slot, cpu_ns)
        elif thread.state == THREAD_LOOP and not sight.evidence & SAW_GIL_WAIT:
            self.probe.ask_what_it_serves(slot, begin)
        self.probe.note_cpu(slot, cpu_ns)
        if seen.length:
            stack = self.stacks.store(seen.text, seen.length)
        sample = self.ring.next_sample()
        sample.at = now
        # It stands for as much of the time since the last one as the thread spent so: on a busy
        # machine, one that was seen to run may have waited for the CPU for most of it.
        sample.since = now - on_cpu if sight.runs else look.last + on_cpu
        sample.begin = begin
        sample.cpu_ns = on_cpu * 1_000_000 // self.ticks_per_ms
        sample.subject = subject
        sample.stack = stack
        sample.ask = ask
        sample.syscall = sight.syscall
        sample.thread = slot
        sample.evidence = sight.evidence | (SAW_GIL_HELD if holds else 0)
        sample.step_kind = kind
        sample.kind = SAMPLE_LOOK
        look.last = now
        look.last_cpu_ns = cpu_ns

    cdef uint64_t time_on_cpu(self, Look *look, uint64_t now, uint64_t cpu_ns) noexcept nogil:
        """Return how much of the time since the last sample the thread was on the CPU, ticks."""
        cdef double on_cpu = <double> (cpu_ns - look.last_cpu_ns) / 1e6 * self.ticks_per_ms
        cdef double whole = <double> (now - look.last)
        if cpu_ns < look.last_cpu_ns:
            return <uint64_t> whole  # the thread has ended
        if look.last == look.begin:
            # Its CPU clock is known from when the watch met the step: what came before was alike.
            on_cpu *= whole / max(<double> (now - look.met), 1.0)
        return <uint64_t> min(on_cpu, whole)

    cdef bint open_files_of(self, Look *look, int tid) noexcept nogil:
        if look.tid == tid:
            return True
        self.close_files_of(look)
        look.stat = thread_file(&self.threads, tid, "stat")
        if not look.stat.opened:
            if self.threads.opened and errno != ENOENT and errno != ESRCH:
                self.ring.header.watch_error = errno
            return False
        look.syscall = thread_file(&self.threads, tid, "syscall")
        look.timer = stack_timer_make(tid)
        look.tid = tid
        return True

    cdef void close_files_of(self, Look *look) noexcept nogil:
        if look.tid:
            descriptor_close(&look.stat)
            descriptor_close(&look.syscall)
            if look.timer >= 0:
                stack_timer_remove(look.timer)
            look.tid = 0


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
