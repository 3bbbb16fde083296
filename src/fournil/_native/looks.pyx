"""Looks at threads: where one is, what it does there, and what of its time went where.

- A thread whose CPU clock stands still is not disturbed: its stack does not change before that
  clock does, and is read from outside. It waits, or it wants a CPU and has none.
- One that is on the CPU is sent a signal; its handler writes its stack, and whether it holds
  the GIL and was in a system call (see sys/stack_signal.h).
"""

import gc

from libc.errno cimport ENOENT, ESRCH, errno
from libc.stdint cimport uint64_t

from fournil._native.gil_probe cimport GilProbe
from fournil._native.layout cimport (
    SAW_GIL_HELD,
    SAW_GIL_WAIT,
    SAW_KERNEL,
    SAW_ON_CPU,
    SAW_WANTED_CPU,
)
from fournil._native.ring cimport Ring
from fournil._native.sys.stack_signal cimport (
    STACK_IN_KERNEL,
    STACK_UNANSWERED,
    STACK_WAITS,
    PyThreadState,
    collector_find,
    stack_gil_holder,
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
    Descriptor,
    descriptor_close,
    descriptor_reopen,
    descriptors_apart,
)
from fournil._native.sys.thread_state cimport (
    THREADS,
    SYS_futex,
    thread_cpu_ns,
    thread_cpu_wait_ns,
    thread_file,
    thread_kernel_ticks,
    thread_state,
    thread_syscall,
    thread_waits,
)
from fournil._native.sys.threads cimport usleep

cdef enum:
    # Nanoseconds: how long a thread that was asked for its stack may be off the CPU, and how
    # long, on a busy machine or in a long system call, it may take to answer.
    OFF_CPU_PATIENCE = 8_000_000
    STACK_PATIENCE = 50_000_000
    # A thread that used more CPU time than this without answering does not take signals.
    # The kernel looks at CPU clocks at its ticks, each 1 to 10 ms.
    UNANSWERED_CPU = 20_000_000
    STACK_TRIES = 3
    # One that waits often and shortly is mostly found on its way from one wait to the next.
    WAITING_TRIES = 20


cdef class Looks:
    """Takes looks at the threads of a ring; but for its making, in the watch's thread alone."""

    def __cinit__(self, Ring ring not None, GilProbe probe not None):
        self.ring = ring
        self.probe = probe

    cdef void prepare(self, double ticks_per_ns):
        """Take the signal, and find the collector of garbage."""
        self.ticks_per_ns = ticks_per_ns
        first, second, _ = gc.get_threshold()
        collector_find(first, second)
        # Without a signal, the watch sees less.
        self.signal = self.ring.header.watch_signal = stack_signal_take()
        self.took_signal = self.signal != 0

    cdef void give_back(self) noexcept:
        if self.took_signal:
            stack_signal_give_back()

    cdef void begin(self) noexcept nogil:
        self.apart = descriptors_apart()
        self.open_files()
        self.reader.pid = self.ring.pid
        self.reader.memory = &self.memory

    cdef void open_files(self) noexcept nogil:
        """Open what is not open yet, or was closed by the program."""
        descriptor_reopen(&self.threads, THREADS, O_DIRECTORY, self.apart)
        if not self.threads.opened:
            self.ring.header.watch_error = errno
        descriptor_reopen(&self.memory, "/proc/self/mem", 0, self.apart)
        self.probe.open_status(&self.threads)

    cdef void close_files(self) noexcept nogil:
        self.probe.close_status()
        descriptor_close(&self.memory)
        descriptor_close(&self.threads)

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
        look.schedstat = thread_file(&self.threads, tid, "schedstat")
        look.timer = stack_timer_make(tid)
        look.tid = tid
        return True

    cdef void close_files_of(self, Look *look) noexcept nogil:
        if look.tid:
            descriptor_close(&look.stat)
            descriptor_close(&look.syscall)
            descriptor_close(&look.schedstat)
            if look.timer >= 0:
                stack_timer_remove(look.timer)
            look.tid = 0

    cdef void meet(self, Look *look, int tid) noexcept nogil:
        """Take what a thread has used by now, to compare it with what it has used at a look."""
        look.unanswered_cpu_ns = 0
        look.holder = 0
        look.last_cpu_ns = thread_cpu_ns(tid)
        look.last_wanted_ns = 0
        look.kernel_ticks = 0
        if self.open_files_of(look, tid):
            look.last_wanted_ns = thread_cpu_wait_ns(&look.schedstat)
            look.kernel_ticks = thread_kernel_ticks(&look.stat)

    cdef bint see(self, Look *look, const PyThreadState *state, Sight *sight) noexcept nogil:
        """Look at a thread whose files are open; return whether there was something to see."""
        cdef char letter = thread_state(&look.stat)
        cdef uint64_t cpu_ns
        cdef int answer
        if letter == 0:
            self.close_files_of(look)  # the thread has ended; another may get its number
            return False
        self.look_at_signal()
        sight.syscall = 0
        cpu_ns = thread_cpu_ns(look.tid)
        if letter == c"R" and not self.see_at_rest(look, state, 1, sight):
            answer = self.ask_for_stack(look, state)
            sight.runs = True
            if answer == STACK_UNANSWERED:
                return self.see_running(look, state, cpu_ns, sight)
            if answer != STACK_WAITS:
                self.see_answer(answer, sight)
                return True
            letter = 0
        return letter == c"R" or self.see_at_rest(look, state, WAITING_TRIES, sight)

    cdef const PyThreadState *holder_of_gil(
        self, const PyThreadState *waits, int *tid
    ) noexcept nogil:
        """Return which thread has the GIL that one waits for, and its number; NULL: not known."""
        cdef const PyThreadState *holder = stack_gil_holder(&self.reader, waits)
        tid[0] = 0 if holder == NULL else <int> self.reader.thread.native_thread_id
        if holder == waits or tid[0] == self.probe.tid:
            return NULL
        return holder

    cdef void note_holder(self, Look *look, int tid) noexcept nogil:
        """Note who has the GIL, and what it had waited for by then."""
        cdef Descriptor status = thread_file(&self.threads, tid, "status")
        cdef Descriptor schedstat = thread_file(&self.threads, tid, "schedstat")
        cdef uint64_t waits = thread_waits(&status)
        if look.holder != tid or look.holder_waits != waits:
            look.holder_cpu_ns = thread_cpu_ns(tid)
        look.holder = tid
        look.holder_waits = waits
        look.holder_wanted_ns = thread_cpu_wait_ns(&schedstat)
        descriptor_close(&status)
        descriptor_close(&schedstat)

    cdef void look_at_signal(self) noexcept nogil:
        """Leave the signal to the program, if that has taken it."""
        if self.signal and not stack_signal_is_ours():
            self.ring.header.watch_signal_lost = self.signal
            self.ring.header.watch_signal = 0
            self.signal = 0

    cdef bint see_at_rest(
        self, Look *look, const PyThreadState *state, int tries, Sight *sight
    ) noexcept nogil:
        """See a thread that is off the CPU; return whether it stayed so meanwhile."""
        cdef uint64_t argument = 0
        cdef uint64_t cpu_ns
        cdef long number
        cdef char letter
        cdef int _attempt
        for _attempt in range(tries):
            cpu_ns = thread_cpu_ns(look.tid)
            number = thread_syscall(&look.syscall, &argument)
            stack_read(&self.reader, state, &self.seen)
            letter = thread_state(&look.stat)
            if thread_cpu_ns(look.tid) == cpu_ns:
                sight.stack = &self.seen
                sight.runs = letter == c"R"
                sight.syscall = 0 if sight.runs else <unsigned int> (number + 1)
                sight.evidence = SAW_ON_CPU | SAW_WANTED_CPU if sight.runs else 0
                if number == SYS_futex and self.probe.is_gil_futex(argument):
                    sight.evidence = SAW_GIL_WAIT
                elif self.seen.gil:
                    sight.evidence |= SAW_GIL_HELD
                return True
            usleep(200)
        return False

    cdef int ask_for_stack(self, Look *look, const PyThreadState *state) noexcept nogil:
        """Have a thread write its stack; return as stack_signal_ask does."""
        cdef int _attempt
        cdef int answer = STACK_UNANSWERED
        if self.signal == 0 or look.timer < 0:
            return STACK_UNANSWERED
        # A stack that was just changing can be read at the next try.
        for _attempt in range(STACK_TRIES):
            answer = stack_signal_ask(
                state, look.tid, look.timer, &look.stat, OFF_CPU_PATIENCE, STACK_PATIENCE
            )
            if answer == STACK_UNANSWERED:
                self.ring.header.watch_unanswered += 1
            if answer == STACK_UNANSWERED or answer == STACK_WAITS or stack_signal.seen.length:
                break
        return answer

    cdef void see_answer(self, int answer, Sight *sight) noexcept nogil:
        """See a thread that has written its stack."""
        sight.stack = &stack_signal.seen
        sight.evidence = SAW_ON_CPU
        if answer == STACK_IN_KERNEL and self.probe.is_gil_futex(stack_signal.argument):
            sight.evidence = SAW_GIL_WAIT
        elif answer == STACK_IN_KERNEL:
            sight.evidence |= SAW_KERNEL
        elif sight.stack.gil:
            sight.evidence |= SAW_GIL_HELD

    cdef bint see_running(
        self, Look *look, const PyThreadState *state, uint64_t cpu_ns, Sight *sight
    ) noexcept nogil:
        """See a thread that did not answer; return whether it has run enough while it was asked.

        On a busy machine, it may get that much of the CPU only in several requests.
        """
        look.unanswered_cpu_ns += max(thread_cpu_ns(look.tid), cpu_ns) - cpu_ns
        if self.signal and look.timer >= 0 and look.unanswered_cpu_ns < UNANSWERED_CPU:
            return False
        # It may run on meanwhile: a stack that is partly of one moment and partly of another
        # is better than none.
        stack_read(&self.reader, state, &self.seen)
        sight.stack = &self.seen
        sight.evidence = SAW_ON_CPU | (SAW_GIL_HELD if self.seen.gil else 0)
        return True

    cdef void see_times(self, Look *look, uint64_t now, Sight *sight) noexcept nogil:
        """Take what is known of the time since the last sample, and begin anew."""
        cdef uint64_t cpu_ns = thread_cpu_ns(look.tid)
        cdef uint64_t wanted_ns = thread_cpu_wait_ns(&look.schedstat)
        cdef long kernel_ticks = thread_kernel_ticks(&look.stat)
        cdef uint64_t uncounted
        sight.whole = now - look.last
        if cpu_ns < look.last_cpu_ns:
            sight.on_cpu = sight.whole  # the thread has ended
            sight.wanted = 0
        else:
            sight.on_cpu = self.part(look, now, cpu_ns, look.last_cpu_ns, sight.whole)
            sight.wanted = self.part(
                look, now, wanted_ns, look.last_wanted_ns, sight.whole - sight.on_cpu
            )
            if sight.evidence & SAW_WANTED_CPU:
                # The kernel counts a wait for a CPU when it is over.
                uncounted = sight.whole - sight.on_cpu - sight.wanted
                sight.wanted += uncounted
                wanted_ns += <uint64_t> (<double> uncounted / self.ticks_per_ns)
        if sight.evidence & SAW_ON_CPU:
            if kernel_ticks > look.kernel_ticks:
                sight.evidence |= SAW_KERNEL
            elif sight.evidence & SAW_KERNEL and 2 * sight.on_cpu < sight.whole - sight.wanted:
                # It was on its way from one wait to the next, of which the most time was.
                sight.evidence = 0
                sight.runs = False
        look.kernel_ticks = kernel_ticks
        look.last = now
        look.last_cpu_ns = cpu_ns
        look.last_wanted_ns = wanted_ns
        look.unanswered_cpu_ns = 0

    cdef uint64_t part(
        self, const Look *look, uint64_t now, uint64_t ns, uint64_t last_ns, uint64_t whole
    ) noexcept nogil:
        """Return how many ticks of a time a clock of the thread's has gone on since the last."""
        cdef double ticks
        if ns <= last_ns:
            return 0
        ticks = <double> (ns - last_ns) * self.ticks_per_ns
        if look.last == look.begin:
            # It is known from when the watch met the step: what came before was alike.
            ticks *= <double> (now - look.last) / max(<double> (now - look.met), 1.0)
        return <uint64_t> min(ticks, <double> whole)
