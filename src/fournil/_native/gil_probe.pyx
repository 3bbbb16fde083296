"""The GIL probe: a native thread that asks for the GIL, to learn who keeps it.

Python code gives the GIL up about one switch interval after another thread asks for it, C
code that keeps it only when it returns. So the probe asks while a watched thread holds the
GIL, and writes down how much CPU time that thread then spends until it lets go.

CPython's way to ask is to wait for one switch interval, and only then to tell the holder. On a
busy machine that may be late, since the probe has to wait for a CPU as well: so it is also
written down how long it had to, and how much CPU time the holder spent once it was told.

While it has the GIL, it also finds out what the steps serve that wait for it (served.pyx).
"""

from libc.stdint cimport uint32_t, uint64_t

from fournil._native.layout cimport (
    MAX_LOOPS,
    MAX_THREADS,
    SAMPLE_ASK,
    SAMPLE_SERVED,
    SAW_OVER,
    THREAD_LOOP,
    Header,
    Sample,
)
from fournil._native.ring cimport Ring
from fournil._native.served cimport what_is_served
from fournil._native.sys.atomics cimport observe, publish, publish_and_observe
from fournil._native.sys.interpreter cimport interpreter_ends
from fournil._native.sys.native_thread cimport native_thread_start
from fournil._native.sys.pause cimport pause_end, pause_for
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
    thread_file_reopen,
    thread_syscall,
    thread_waits,
)
from fournil._native.sys.threads cimport (
    gettid,
    pthread_join,
    sem_destroy,
    sem_init,
    sem_post,
    sem_wait,
    usleep,
)
from fournil._native.thread_names cimport name_holder
from fournil._native.sys.ticks cimport ticks_choose, ticks_now

cdef extern from "Python.h":
    int PyGC_Disable()
    int PyGC_Enable()

cdef enum:
    # The GIL's lock and conditions lie together in CPython: how far from the futex of one
    # a futex of the others may be, in bytes.
    GIL_NEIGHBOURHOOD = 256
    # Nanoseconds between looks at the recording's file: the watch, which looks more often, may be
    # the thread that faults there.
    LOOK_INTERVAL = 100_000_000

ticks_choose()


cdef class GilProbe:
    """Times how long the threads of a ring keep the GIL."""

    def __cinit__(self, Ring ring not None):
        self.ring = ring
        sem_init(&self.gil_taken, 0, 0)

    def __dealloc__(self):
        sem_destroy(&self.gil_taken)

    cdef int start(self) noexcept:
        """Begin; return an error's number, or 0."""
        cdef Header *header = self.ring.header
        self.ticks_per_ns = (header.clock_ticks - header.started_ticks) / <double> (
            header.clock_ns - header.started_ns
        )
        cdef int error = native_thread_start(&self.thread, "fournil-ask", run_asker, <void *> self)
        if error:
            return error
        self.running = True
        # The probe takes the GIL that this thread gives up, and sees where it waits for it.
        self.calibrating_tid = gettid()
        pause_end(&self.opened)
        with nogil:
            while sem_wait(&self.gil_taken) != 0:
                pass  # a signal's handler ran
        return 0

    cdef void stop(self) noexcept:
        if not self.running:
            return
        self.running = False
        self.stopping = 1
        with nogil:
            pause_end(&self.opened)
            pthread_join(self.thread, NULL)

    cdef uint32_t time_holder(self, int slot, uint64_t begin, int tid) noexcept nogil:
        """Have it timed how long a thread keeps the GIL; return the request's number, or 0.

        A request that is under way serves threads that are found with the GIL later, too.
        """
        cdef Question *question = &self.questions[slot]
        cdef uint64_t state = observe(&self.state)
        if state == ASK_GRANTED:
            return 0
        if observe(&question.held):
            return question.ask if question.begin == begin else self.time_later(slot, begin)
        if state == ASK_IDLE and self.put == 0:
            self.number += 1
        question.ask = self.number
        question.begin = begin
        question.tid = tid
        question.since = ticks_now()
        question.cpu_ns = thread_cpu_ns(tid)
        question.later_begin = 0
        question.last_cpu_ns = question.let_go_cpu_ns = question.told_cpu_ns = 0
        if publish_and_observe(&question.held, 1, &self.state) != state:
            question.held = 0  # the request was granted just now
            return 0
        if state == ASK_IDLE:
            self.put += 1
        return question.ask

    cdef uint32_t time_later(self, int slot, uint64_t begin) noexcept nogil:
        """Have a step timed whose thread is still asked for the GIL because of another one."""
        cdef Question *question = &self.questions[slot]
        if question.later_begin == begin:
            return question.later_ask
        publish(&question.later_begin, 0)
        self.number += 1
        question.later_ask = self.number
        question.later_since = ticks_now()
        question.later_cpu_ns = thread_cpu_ns(question.tid)
        if publish_and_observe(&question.later_begin, begin, &self.state) != ASK_OPEN:
            publish(&question.later_begin, 0)
            return 0
        return question.later_ask

    cdef void ask_what_it_serves(self, int slot, uint64_t begin) noexcept nogil:
        """Have it found out what a step serves, whose thread waits without the GIL."""
        cdef Question *question = &self.questions[slot]
        cdef uint64_t state = observe(&self.state)
        if state != ASK_IDLE or observe(&question.held) or question.served_known == begin:
            return
        if self.put == 0:
            self.number += 1
        publish(&question.served, begin)
        self.put += 1

    cdef bint is_timing(self, int slot, uint64_t begin) noexcept nogil:
        cdef Question *question = &self.questions[slot]
        return observe(&question.held) and begin in (question.begin, question.later_begin)

    cdef void note_let_go(self, int slot, uint64_t cpu_ns) noexcept nogil:
        """A thread that is being timed was seen without the GIL."""
        if self.questions[slot].let_go_cpu_ns == 0:
            publish(&self.questions[slot].let_go_cpu_ns, cpu_ns)

    cdef void open_status(self, const Descriptor *threads) noexcept nogil:
        """Open what tells how often the probe has waited, for the watch's thread alone."""
        thread_file_reopen(&self.status, threads, self.tid, "status")

    cdef void close_status(self) noexcept nogil:
        descriptor_close(&self.status)

    cdef bint holder_is_told(self) noexcept nogil:
        """Tell whether it is certain that the holder has been told to give up the GIL."""
        # The probe waits once before it tells the holder, and then again.
        cdef uint64_t before = observe(&self.waits)
        return before != 0 and thread_waits(&self.status) >= before + 2

    cdef void note_told(self, int slot, uint64_t cpu_ns) noexcept nogil:
        """A thread that is being timed had spent so much CPU time when it had been told."""
        if self.questions[slot].told_cpu_ns == 0:
            publish(&self.questions[slot].told_cpu_ns, cpu_ns)

    cdef void note_cpu(self, int slot, uint64_t cpu_ns) noexcept nogil:
        """A thread, which may be one that is being timed, has spent so much CPU time."""
        publish(&self.questions[slot].last_cpu_ns, cpu_ns)

    cdef void ask_for_names(self) noexcept nogil:
        """Have the threads named that were seen with the GIL: they may end soon after that."""
        if observe(&self.state) == ASK_IDLE:
            self.put += 1

    cdef void open(self) noexcept nogil:
        """Ask, if there are questions and no request is under way."""
        if self.put and observe(&self.state) == ASK_IDLE:
            self.put = 0
            publish(&self.state, ASK_OPEN)
            pause_end(&self.opened)

    cdef bint is_open(self) noexcept nogil:
        return observe(&self.state) == ASK_OPEN

    cdef bint is_gil_futex(self, uint64_t address) noexcept nogil:
        return self.gil_futex != 0 and (
            self.gil_futex - GIL_NEIGHBOURHOOD <= address <= self.gil_futex + GIL_NEIGHBOURHOOD
        )

    # The probe's thread.

    cdef void run(self) noexcept nogil:
        cdef uint64_t ignored = 0
        cdef uint64_t waited
        cdef Question *question
        cdef int slot
        cdef bint apart = descriptors_apart()
        self.tid = gettid()
        descriptor_reopen(&self.threads, THREADS, O_DIRECTORY, apart)
        while True:
            pause_for(&self.opened, LOOK_INTERVAL)
            if self.stopping or interpreter_ends():
                break
            self.ring.look()
            if self.calibrating_tid:
                with gil:
                    self.learn_gil_futex()
            elif observe(&self.state) == ASK_OPEN:
                descriptor_reopen(&self.threads, THREADS, O_DIRECTORY, apart)
                thread_file_reopen(&self.schedstat, &self.threads, self.tid, "schedstat")
                thread_file_reopen(&self.own_status, &self.threads, self.tid, "status")
                # On a busy machine this thread may begin to ask a while after it was told to.
                for slot in range(MAX_THREADS):
                    question = &self.questions[slot]
                    if observe(&question.held):
                        question.since = ticks_now()
                        question.cpu_ns = thread_cpu_ns(question.tid)
                waited = thread_cpu_wait_ns(&self.schedstat)
                publish(&self.waits, thread_waits(&self.own_status))
                with gil:
                    publish_and_observe(&self.state, ASK_GRANTED, &ignored)
                    self.answer(thread_cpu_wait_ns(&self.schedstat) - waited)
                publish(&self.waits, 0)
                publish(&self.state, ASK_IDLE)
        descriptor_close(&self.schedstat)
        descriptor_close(&self.own_status)
        descriptor_close(&self.threads)

    cdef void learn_gil_futex(self) noexcept:
        """See where a thread waits that wants the GIL, while this one has it."""
        cdef Descriptor file = thread_file(&self.threads, self.calibrating_tid, "syscall")
        cdef uint64_t own = <uint64_t> &self.gil_taken
        cdef uint64_t argument = 0
        cdef int _attempt
        sem_post(&self.gil_taken)
        for _attempt in range(400):
            if thread_syscall(&file, &argument) == SYS_futex and not (
                own <= argument < own + sizeof(self.gil_taken)
            ):
                self.gil_futex = argument
                break
            usleep(50)
        descriptor_close(&file)
        self.calibrating_tid = 0

    cdef void answer(self, uint64_t waited_ns) noexcept:
        """Write down how long each thread kept the GIL, in CPU time of its own.

        This thread waited for a CPU for so long while it asked.
        """
        cdef Question *question
        cdef uint64_t later
        cdef int slot
        for slot in range(MAX_LOOPS):
            name_holder(self.ring, slot)
        for slot in range(MAX_THREADS):
            question = &self.questions[slot]
            if question.served:
                self.tell_what_is_served(slot, question.served)
                question.served = 0
            if not observe(&question.held):
                continue
            self.tell_what_is_served(slot, observe(&question.later_begin) or question.begin)
            self.write_answer(
                slot, question.ask, question.begin, question.since, question.cpu_ns, waited_ns
            )
            later = observe(&question.later_begin)
            if later:
                self.write_answer(
                    slot, question.later_ask, later, question.later_since, question.later_cpu_ns,
                    waited_ns
                )
            publish(&question.held, 0)

    cdef void tell_what_is_served(self, int slot, uint64_t begin) noexcept:
        """Write down what a step serves that still runs, once; its thread waits for the GIL."""
        cdef Question *question = &self.questions[slot]
        cdef uint32_t text
        cdef int collects
        cdef Sample *sample
        if question.served_known == begin:
            return
        question.served_known = begin
        if (
            self.ring.threads[slot].state != THREAD_LOOP
            or observe(&self.ring.threads[slot].begin) != begin
            or self.ring.states[slot] == NULL
        ):
            return
        # A collection of garbage would run the program's finalizers, here.
        collects = PyGC_Disable()
        try:
            text = self.ring.intern(what_is_served(self.ring.states[slot]))
        except Exception:  # no memory
            text = 0
        if collects:
            PyGC_Enable()
        if text == 0:
            return
        sample = self.ring.next_sample()
        sample.at = ticks_now()
        sample.begin = begin
        sample.stack = text
        sample.thread = slot
        sample.kind = SAMPLE_SERVED

    cdef void write_answer(
        self, int slot, uint32_t ask, uint64_t begin, uint64_t since, uint64_t cpu_ns,
        uint64_t waited_ns
    ) noexcept:
        """Write down what became of a request that was made at a tick and a CPU time."""
        cdef Question *question = &self.questions[slot]
        cdef Sample *sample = self.ring.next_sample()
        cdef uint64_t until = observe(&question.let_go_cpu_ns)
        cdef uint64_t told = max(observe(&question.told_cpu_ns), cpu_ns)
        if until == 0:
            if observe(&self.ring.threads[slot].begin) != begin:
                sample.evidence = SAW_OVER
            # The thread may have ended by now, and its clock with it.
            until = thread_cpu_ns(question.tid) or observe(&question.last_cpu_ns)
        sample.at = ticks_now()
        sample.since = since
        sample.begin = begin
        sample.number = max(until, cpu_ns) - cpu_ns
        if question.told_cpu_ns and until > told:
            sample.extra = <uint32_t> min((until - told) // 1000, <uint64_t> 0xFFFFFFFF)
        sample.delay = <uint64_t> (waited_ns * self.ticks_per_ns)
        sample.ask = ask
        sample.thread = slot
        sample.kind = SAMPLE_ASK


# The reference is borrowed: `stop` joins the thread before the GilProbe can go. It takes the GIL
# once at each end, to have and to give back a thread state.
cdef void *run_asker(void *argument) noexcept with gil:
    cdef GilProbe probe = <GilProbe> argument
    with nogil:
        probe.run()
    return NULL
