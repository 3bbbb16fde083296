"""The watch: finds steps that block, and gathers the evidence of where and why.

Two native threads. The watch's own never takes the GIL: it looks at the step that each
thread says it is in, and when one is past the threshold, at the thread, again and again:

- on the CPU, the thread is sent a signal; its handler writes its stack and says whether it
  holds the GIL (see sys/stack_signal.h);
- off the CPU, no signal is sent, since it would end system calls early. The asker takes the
  GIL, which a waiting thread has given away, and walks the thread's frames.

The asker also tells Python code from C code that keeps the GIL: for a thread that holds it
on the CPU, it asks for the GIL and measures the CPU time which that thread spends until it
lets go: about one switch interval, or as long as its C call takes.
"""

import faulthandler
import os

from libc.errno cimport errno
from libc.stdint cimport uint32_t, uint64_t
from posix.fcntl cimport O_CLOEXEC, O_NONBLOCK
from posix.unistd cimport close, read

from fournil._native.layout cimport (
    SAMPLE_ASK,
    SAMPLE_LOOK,
    SAW_CUT,
    SAW_GIL_HELD,
    SAW_GIL_WAIT,
    SAW_ON_CPU,
    SAW_OVER,
    SAW_SIGNAL,
    THREAD_LOOP,
    THREAD_SCRIPT,
    Sample,
    Thread,
)
from fournil._native.ring cimport MAX_THREADS, Ring
from fournil._native.stacks cimport STACK_BYTES, StackStore, parse_dump, walk_frames
from fournil._native.sys.atomics cimport observe, publish
from fournil._native.sys.epoll cimport EFD_CLOEXEC, EFD_NONBLOCK, eventfd, eventfd_write
from fournil._native.sys.threads cimport (
    SIG_SETMASK,
    SYS_futex,
    gettid,
    pthread_attr_destroy,
    pthread_attr_init,
    pthread_attr_setstacksize,
    pthread_attr_t,
    pthread_create,
    pthread_join,
    pthread_setname_np,
    pthread_sigmask,
    sem_destroy,
    sem_init,
    sem_post,
    sem_wait,
    sigfillset,
    sigset_t,
    stack_signal_ask,
    stack_signal_choose,
    stack_signal_install,
    stack_signal_is_ours,
    stack_signal_remove,
    thread_cpu_ns,
    thread_file,
    thread_state,
    thread_syscall,
    usleep,
)
from fournil._native.sys.ticks cimport monotonic_ns, ticks_choose, ticks_now

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    enum:
        POLLIN
    int poll(pollfd *, unsigned long, int)

cdef extern from "<unistd.h>" nogil:
    int pipe2(int *, int)

cdef enum:
    # Milliseconds.
    FIRST_INTERVAL = 8                  # between the samples of a step
    LAST_INTERVAL = 100                 # of one that blocks for long
    SCRIPT_INTERVAL = 10                # of a script outside any loop, at first
    SCRIPT_LAST_INTERVAL = 50
    CLOCK_INTERVAL = 100                # between renewals of the recording's clock
    # A thread on the CPU of a busy machine may wait for its turn this long, in microseconds.
    SIGNAL_PATIENCE = 100_000
    # The GIL's lock and conditions lie together in CPython: how far from the futex of one
    # a futex of the others may be, in bytes.
    GIL_NEIGHBOURHOOD = 256

ticks_choose()


cdef class Watch:
    """Watches the threads of a ring until it is stopped."""

    def __cinit__(self, Ring ring):
        self.ring = ring
        self.stacks = StackStore(ring)
        self.wake_fd = self.dump_fds[0] = self.dump_fds[1] = -1
        sem_init(&self.ask_opened, 0, 0)
        sem_init(&self.gil_taken, 0, 0)

    def __dealloc__(self):
        for fd in (self.wake_fd, self.dump_fds[0], self.dump_fds[1]):
            if fd >= 0:
                close(fd)
        for slot in range(MAX_THREADS):
            self.close_files(&self.looks[slot])
        sem_destroy(&self.ask_opened)
        sem_destroy(&self.gil_taken)

    def start(self):
        """Begin to watch."""
        cdef pthread_attr_t attributes
        cdef sigset_t all_signals, before
        header = self.ring.header
        self.ticks_per_ms = <uint64_t> (
            1e6 * (header.clock_ticks - header.started_ticks)
            / <double> (header.clock_ns - header.started_ns)
        )
        self.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.wake_fd < 0 or pipe2(self.dump_fds, O_CLOEXEC | O_NONBLOCK) < 0:
            raise OSError(errno, "the watch cannot open its descriptors")
        self.take_signal()
        # Signals that the process gets are for its own threads: these two block all.
        sigfillset(&all_signals)
        pthread_sigmask(SIG_SETMASK, &all_signals, &before)
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 512 * 1024)
        failed = pthread_create(&self.ask_thread, &attributes, run_asker, <void *> self)
        if not failed:
            failed = pthread_create(&self.watch_thread, &attributes, run_watch, <void *> self)
            if failed:
                self.stopping = 1
                sem_post(&self.ask_opened)
                with nogil:
                    pthread_join(self.ask_thread, NULL)
        pthread_attr_destroy(&attributes)
        pthread_sigmask(SIG_SETMASK, &before, NULL)
        if failed:
            self.give_signal_back()
            raise RuntimeError(f"the watch cannot start a thread: {os.strerror(failed)}")
        pthread_setname_np(self.ask_thread, "fournil-ask")
        pthread_setname_np(self.watch_thread, "fournil-watch")
        self.running = True
        # The asker takes the GIL that this thread gives up, and sees where it waits for it.
        self.calibrating_tid = gettid()
        sem_post(&self.ask_opened)
        with nogil:
            sem_wait(&self.gil_taken)

    def stop(self):
        """Stop watching and give the signal back."""
        if not self.running:
            return
        self.running = False
        self.stopping = 1
        eventfd_write(self.wake_fd, 1)
        with nogil:
            pthread_join(self.watch_thread, NULL)
            sem_post(&self.ask_opened)
            pthread_join(self.ask_thread, NULL)
        self.give_signal_back()

    def take_signal(self):
        """Choose a signal and prepare its handler; without one, the watch sees less."""
        self.signal = stack_signal_choose()
        if self.signal:
            faulthandler.register(self.signal, file=self.dump_fds[1], all_threads=False)
            if stack_signal_install(self.signal) != 0:
                faulthandler.unregister(self.signal)
                self.signal = 0
        self.ring.header.watch_signal = self.signal

    def give_signal_back(self):
        if self.signal and stack_signal_remove():
            faulthandler.unregister(self.signal)

    # The watch's thread.

    cdef void watch(self) noexcept nogil:
        cdef pollfd waited
        cdef uint64_t now, wait, renewed
        waited.fd = self.wake_fd
        waited.events = POLLIN
        renewed = 0
        wait = 1
        while True:
            poll(&waited, 1, <int> wait)
            if self.stopping:
                break
            now = ticks_now()
            if now - renewed >= CLOCK_INTERVAL * self.ticks_per_ms:
                renewed = now
                renew_clock(self.ring)
            wait = self.look_at_all(now)

    cdef uint64_t look_at_all(self, uint64_t now) noexcept nogil:
        """Look at each thread whose step is due for a look; return how long to wait then, ms."""
        cdef uint64_t threshold = self.ring.threshold_ticks
        cdef uint64_t next = now + max(threshold // 2, self.ticks_per_ms)
        cdef uint64_t begin, age, first
        cdef uint32_t used = <uint32_t> min(self.ring.header.threads_used, <uint64_t> MAX_THREADS)
        cdef uint32_t slot
        cdef Thread *thread
        cdef Look *look
        # While an ask is open, its questions are the asker's; what is found now waits.
        self.may_ask = observe(&self.ask_state) == ASK_IDLE
        if self.may_ask:
            self.take_answers()
        self.questions_put = 0
        for slot in range(used):
            thread = &self.ring.threads[slot]
            look = &self.looks[slot]
            begin = observe(&thread.begin)
            if begin == 0 or (thread.state != THREAD_LOOP and thread.state != THREAD_SCRIPT):
                look.begin = 0
                continue
            first = SCRIPT_INTERVAL * self.ticks_per_ms if thread.state == THREAD_SCRIPT else threshold
            if begin > now or now - begin < first:
                next = min(next, begin + first)
                continue
            if look.begin != begin:
                look.begin = begin
                look.last = begin
                look.last_cpu_ns = 0
                look.next = now
            if look.next <= now:
                self.look_at(slot, begin, now)
                now = ticks_now()
                age = now - begin
                if thread.state == THREAD_SCRIPT:
                    look.next = now + interval(age // 64, SCRIPT_INTERVAL, SCRIPT_LAST_INTERVAL, self.ticks_per_ms)
                else:
                    look.next = now + interval(age // 32, FIRST_INTERVAL, LAST_INTERVAL, self.ticks_per_ms)
            next = min(next, look.next)
        if self.questions_put:
            self.asked_at = ticks_now()
            publish(&self.ask_state, ASK_OPEN)
            sem_post(&self.ask_opened)
        if next <= now:
            return 1
        return (next - now) // self.ticks_per_ms + 1

    cdef void take_answers(self) noexcept nogil:
        """Continue, for each thread that the asker sampled, from that sample."""
        cdef int slot
        cdef Question *question
        cdef Look *look
        for slot in range(MAX_THREADS):
            question = &self.questions[slot]
            look = &self.looks[slot]
            if question.sampled_at and look.begin == question.begin:
                look.last = question.sampled_at
                look.last_cpu_ns = question.sampled_cpu_ns
            question.sampled_at = 0

    cdef void look_at(self, int slot, uint64_t begin, uint64_t now) noexcept nogil:
        """Take one sample of a blocked step."""
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Look *look = &self.looks[slot]
        cdef Question *question
        cdef int gil
        cdef size_t length = 0
        cdef bint cut = False
        cdef char state
        cdef long number
        cdef uint64_t argument = 0
        if not self.open_files(look, <int> thread.native_id):
            return
        state = thread_state(look.stat_fd)
        if state == c"R":
            # A thread that only passes the CPU between two waits must not be signalled.
            usleep(200)
            state = thread_state(look.stat_fd)
        if state == c"R":
            gil = self.ask_for_stack(look.tid, &length, &cut)
            if gil >= 0:
                self.look_on_cpu(slot, begin, gil, length, cut)
            elif self.may_ask:
                question = self.put_question(slot, begin)
                question.held = question.stack = True
                question.evidence = SAW_ON_CPU
        elif self.may_ask:
            number = thread_syscall(look.syscall_fd, &argument)
            question = self.put_question(slot, begin)
            question.stack = True
            question.syscall = <uint32_t> (number + 1)
            if number == SYS_futex and self.gil_futex and (
                self.gil_futex - GIL_NEIGHBOURHOOD <= argument <= self.gil_futex + GIL_NEIGHBOURHOOD
            ):
                question.evidence = SAW_GIL_WAIT

    cdef Question *put_question(self, int slot, uint64_t begin) noexcept nogil:
        """Return the question of a slot for the next ask, with nothing asked yet."""
        cdef Look *look = &self.looks[slot]
        cdef Question *question = &self.questions[slot]
        if self.questions_put == 0:
            self.ask_number += 1
        self.questions_put += 1
        question.held = question.stack = False
        question.evidence = 0
        question.syscall = 0
        question.begin = begin
        question.tid = look.tid
        question.stat_fd = look.stat_fd
        question.since = look.last
        question.last_cpu_ns = look.last_cpu_ns
        question.cpu_ns = thread_cpu_ns(look.tid)
        return question

    cdef void look_on_cpu(self, int slot, uint64_t begin, int gil, size_t length, bint cut) noexcept nogil:
        """Write the sample of a thread on the CPU, which has written its stack."""
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Look *look = &self.looks[slot]
        cdef Question *question
        cdef uint64_t now = ticks_now()
        cdef uint64_t cpu_ns = thread_cpu_ns(look.tid)
        cdef Sample *sample
        cdef uint32_t stack
        if observe(&thread.begin) != begin:
            return  # the step ended meanwhile: what was seen may be of the next
        if gil and self.may_ask:
            question = self.put_question(slot, begin)
            question.held = True
            look.ask = self.ask_number
        stack = self.stacks.store(self.stack, length) if length else 0
        sample = self.ring.next_sample()
        sample.at = now
        sample.since = look.last
        sample.begin = begin
        sample.cpu_ns = cpu_ns - look.last_cpu_ns if look.last_cpu_ns else 0
        sample.subject = thread.subject
        sample.step_kind = thread.kind
        sample.stack = stack
        # An ask that is still open, from an earlier sample of this step, serves this one too.
        sample.ask = look.ask if gil and look.ask == self.ask_number else 0
        sample.thread = slot
        sample.evidence = SAW_ON_CPU | SAW_SIGNAL | (SAW_GIL_HELD if gil else 0) | (SAW_CUT if cut else 0)
        sample.kind = SAMPLE_LOOK
        look.last = now
        look.last_cpu_ns = cpu_ns

    cdef bint open_files(self, Look *look, int tid) noexcept nogil:
        if look.tid == tid:
            return True
        self.close_files(look)
        look.stat_fd = thread_file(tid, "stat")
        if look.stat_fd < 0:
            return False
        look.syscall_fd = thread_file(tid, "syscall")
        look.tid = tid
        return True

    cdef void close_files(self, Look *look) noexcept nogil:
        if look.tid:
            close(look.stat_fd)
            if look.syscall_fd >= 0:
                close(look.syscall_fd)
            look.tid = 0

    cdef int ask_for_stack(self, int tid, size_t *length, bint *cut) noexcept nogil:
        """Have a thread write its stack into `self.stack`; as stack_signal_ask returns."""
        cdef size_t size = 0
        cdef ssize_t got
        cdef int gil
        if self.signal == 0:
            return -1
        if not stack_signal_is_ours():
            self.ring.header.watch_signal_lost = self.signal
            self.ring.header.watch_signal = 0
            self.signal = 0
            return -1
        gil = stack_signal_ask(tid, SIGNAL_PATIENCE)
        while size < sizeof(self.dump):
            got = read(self.dump_fds[0], &self.dump[size], sizeof(self.dump) - size)
            if got <= 0:
                break
            size += got
        if gil < 0:
            self.ring.header.watch_unanswered += 1
            return -1
        length[0] = parse_dump(self.dump, size, self.stack, cut)
        return gil

    # The asker's thread.

    cdef void answer_asks(self) noexcept nogil:
        while True:
            sem_wait(&self.ask_opened)
            if self.stopping:
                break
            if self.calibrating_tid:
                with gil:
                    self.learn_gil_futex()
            elif observe(&self.ask_state) == ASK_OPEN:
                with gil:
                    self.answer(ticks_now())
                publish(&self.ask_state, ASK_IDLE)

    cdef void learn_gil_futex(self) noexcept:
        """See where a thread waits that wants the GIL, while this one has it."""
        cdef int fd = thread_file(self.calibrating_tid, "syscall")
        cdef uint64_t own = <uint64_t> &self.gil_taken
        cdef uint64_t argument = 0
        cdef int attempt
        sem_post(&self.gil_taken)
        for attempt in range(400):
            if thread_syscall(fd, &argument) == SYS_futex and not (
                own <= argument < own + sizeof(self.gil_taken)
            ):
                self.gil_futex = argument
                break
            usleep(50)
        close(fd)
        self.calibrating_tid = 0

    cdef void answer(self, uint64_t granted) noexcept:
        """Answer the open questions, with the GIL."""
        cdef uint32_t slot
        cdef Question *question
        for slot in range(MAX_THREADS):
            question = &self.questions[slot]
            if question.held:
                self.answer_held(slot, granted)
            if question.stack:
                self.answer_stack(slot)
            question.held = question.stack = False

    cdef void answer_held(self, uint32_t slot, uint64_t granted) noexcept:
        """Write how long the thread kept the GIL, in CPU time of its own."""
        cdef Question *question = &self.questions[slot]
        cdef Sample *sample = self.ring.next_sample()
        sample.at = granted
        sample.since = self.asked_at
        sample.begin = question.begin
        sample.cpu_ns = thread_cpu_ns(question.tid) - question.cpu_ns
        sample.ask = self.ask_number
        sample.thread = slot
        if observe(&self.ring.threads[slot].begin) != question.begin:
            sample.evidence = SAW_OVER
        sample.kind = SAMPLE_ASK

    cdef void answer_stack(self, uint32_t slot) noexcept:
        """Write the sample of a thread that waits, or that could not be asked itself."""
        cdef Question *question = &self.questions[slot]
        cdef Thread *thread = &self.ring.threads[slot]
        cdef Sample *sample
        cdef uint64_t cpu_ns
        cdef size_t length
        cdef bint cut
        if observe(&thread.begin) != question.begin or self.ring.states[slot] == NULL:
            return
        if question.evidence & SAW_ON_CPU and thread_state(question.stat_fd) != c"R":
            question.evidence |= SAW_GIL_HELD  # it cannot run while this thread has the GIL
        length = walk_frames(self.ring.states[slot], self.walked, &cut)
        cpu_ns = thread_cpu_ns(question.tid)
        sample = self.ring.next_sample()
        sample.at = ticks_now()
        sample.since = question.since
        sample.begin = question.begin
        sample.cpu_ns = cpu_ns - question.last_cpu_ns if question.last_cpu_ns else 0
        sample.subject = thread.subject
        sample.step_kind = thread.kind
        sample.stack = self.stacks.store(self.walked, length) if length else 0
        sample.ask = self.ask_number if question.held else 0
        sample.syscall = question.syscall
        sample.thread = slot
        sample.evidence = question.evidence | (SAW_CUT if cut else 0)
        sample.kind = SAMPLE_LOOK
        question.sampled_at = sample.at
        question.sampled_cpu_ns = cpu_ns


cdef void renew_clock(Ring ring) noexcept nogil:
    """Write down the time and the tick once more; only the watch and, after it, `end` do."""
    publish(&ring.header.clock_sequence, ring.header.clock_sequence + 1)
    ring.header.clock_ns = monotonic_ns()
    ring.header.clock_ticks = ticks_now()
    publish(&ring.header.clock_sequence, ring.header.clock_sequence + 1)


cdef uint64_t interval(uint64_t ticks, uint64_t least_ms, uint64_t most_ms, uint64_t ticks_per_ms) noexcept nogil:
    return min(max(ticks, least_ms * ticks_per_ms), most_ms * ticks_per_ms)


# The references are borrowed: `stop` joins these threads before the Watch can go. They take
# the GIL once at each end, to have and to give back a thread state.

cdef void *run_watch(void *argument) noexcept with gil:
    cdef Watch watch = <Watch> argument
    with nogil:
        watch.watch()
    return NULL


cdef void *run_asker(void *argument) noexcept with gil:
    cdef Watch watch = <Watch> argument
    with nogil:
        watch.answer_asks()
    return NULL
