"""Where a thread looks for what is likely to come soon, before it goes to sleep.

To wake one that sleeps takes a virtual machine's processor longer than all else that a short call
in a thread takes. A thread that looks is there at once. It holds no GIL, and offers its processor
to others between its looks.
"""

from libc.stdint cimport uint64_t

from fournil._native.sys.atomics cimport move_on, state_of
from fournil._native.sys.processor cimport processor_offer, processor_relax, processor_taken
from fournil._native.sys.ticks cimport monotonic_ns

cdef enum:
    LOOKS = 20          # before the processor is offered to others
    OFFER_NS = 5_000    # an offer that nobody takes is over by then
    LEAVING_NS = 4_000  # who called has most likely let go of the GIL by then


cdef class Lookout:
    """A place for one thread that looks; others that come meanwhile are sent away."""

    def look(self, uint64_t ns):
        """Wait to be called, for at most so many nanoseconds.

        Returns:
            whether this was called; None if other threads wanted the processor: called or not.
        """
        cdef Seen seen
        if not move_on(&self.state, ABSENT, LOOKING):
            return False
        with nogil:
            seen = self.watch(ns)
            if seen == CALL:
                # Who asks for the GIL while another has it is put to sleep.
                wait(LEAVING_NS)
        return None if seen == OTHERS else seen == CALL

    def call(self):
        """Call the thread that looks; return False if none does, or it was called already."""
        return move_on(&self.state, LOOKING, CALLED)

    cdef Seen watch(self, uint64_t ns) noexcept nogil:
        cdef long taken = processor_taken()
        cdef uint64_t began = monotonic_ns()
        cdef uint64_t now = began
        cdef uint64_t before
        cdef Seen seen = NOTHING
        while seen == NOTHING and now - began < ns:
            for _ in range(LOOKS):
                if state_of(&self.state) == CALLED:
                    move_on(&self.state, CALLED, ABSENT)
                    return CALL
                processor_relax()
            processor_offer()
            before = now
            now = monotonic_ns()
            if now - before > OFFER_NS and processor_taken() != taken:
                seen = OTHERS
        if move_on(&self.state, LOOKING, ABSENT):
            return seen
        # It was called just now.
        move_on(&self.state, CALLED, ABSENT)
        return OTHERS if seen == OTHERS else CALL


cdef void wait(uint64_t ns) noexcept nogil:
    cdef uint64_t began = monotonic_ns()
    while monotonic_ns() - began < ns:
        processor_relax()
