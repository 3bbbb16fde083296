"""How much CPU time a blocked step used, so that it is known for how long it had no CPU.

To ask for it at the begin of each step would cost more than most steps. So the watch, which passes
by every now and then, marks what a thread has used; at the end of a blocked step the thread looks
itself, and takes from the marks around the step's begin what it had used by then.
"""

from libc.stdint cimport uint64_t

from fournil._native.sys.atomics cimport observe, observe_again, publish
from fournil._native.sys.thread_state cimport own_cpu_ns


cdef void mark_cpu(CpuMarks *marks, uint64_t now, uint64_t cpu_ns, uint64_t busy) noexcept nogil:
    """Note what a thread has used, in a step that was not marked yet."""
    cdef CpuMark *mark
    marks.newer = 1 - marks.newer
    mark = &marks.pair[marks.newer]
    publish(&mark.at, 0)
    publish(&mark.cpu_ns, cpu_ns)
    publish(&mark.busy, busy)
    publish(&mark.at, now)


cdef bint read_mark(CpuMark *mark, CpuMark *copy) noexcept nogil:
    """Copy a mark; return whether it is there, and whole."""
    copy.at = observe(&mark.at)
    copy.cpu_ns = observe(&mark.cpu_ns)
    copy.busy = observe(&mark.busy)
    return copy.at != 0 and observe_again(&mark.at) == copy.at


cdef uint64_t cpu_of_step(
    CpuMarks *marks, uint64_t begin, uint64_t now, uint64_t busy
) noexcept nogil:
    """Return the CPU time that the calling thread used in a step, ns; 0: it is not known.

    Args:
        marks: the thread's.
        begin, now: the ticks of the step's begin and end.
        busy: how long the thread has been in steps by now, ticks.
    """
    cdef CpuMark before
    cdef CpuMark after
    cdef CpuMark mark
    cdef uint64_t own_ns = own_cpu_ns()
    cdef double used, part
    cdef int i
    before.at = before.cpu_ns = before.busy = 0
    after.at = now
    after.cpu_ns = own_ns
    after.busy = busy
    for i in range(2):
        if not read_mark(&marks.pair[i], &mark) or mark.at >= after.at:
            continue
        if mark.at > begin:
            after = mark
        elif mark.at > before.at:
            before = mark
    if before.at == 0 and after.at == now:
        return 0
    used = <double> (own_ns - after.cpu_ns)
    if before.at:
        # Of the time in steps between the two marks, so much is this one's.
        part = <double> (after.at - begin) / max(<double> (after.busy - before.busy), 1.0)
        used += <double> (after.cpu_ns - before.cpu_ns) * min(part, 1.0)
    return max(<uint64_t> used, <uint64_t> 1)
