"""Spin wait of a thread, for what is likely to come soon, before it goes to sleep.

The thread holds no GIL, and offers its processor to others between its looks. Why it spins, and
when, is told by `fournil._worker.adaptive_spin`; what is promised, by `fournil.offload.spin_wait`.
"""

from libc.stdint cimport uint64_t

from fournil._native.sys.atomics cimport move_on, state_of
from fournil._native.sys.processor cimport processor_offer, processor_relax, processor_taken
from fournil._native.sys.ticks cimport monotonic_ns

cdef enum:
    LOOKS = 20          # before the processor is offered to others
    OFFER_NS = 5_000    # an offer that nobody takes is over by then
    LEAVING_NS = 4_000  # who called has most likely let go of the GIL by then


cdef class SpinWait:
    def look(self, uint64_t ns, calls):
        cdef Seen seen
        if not move_on(&self.state, ABSENT, LOOKING):
            return False
        # Nobody was called for what had come before; nothing comes while the GIL is held.
        if calls:
            move_on(&self.state, LOOKING, ABSENT)
            return True
        with nogil:
            seen = self.watch(ns)
            if seen == CALL:
                # Who asks for the GIL while another has it is put to sleep.
                spin(LEAVING_NS)
        return None if seen == OTHERS else seen == CALL

    def call(self):
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


cdef void spin(uint64_t ns) noexcept nogil:
    cdef uint64_t began = monotonic_ns()
    while monotonic_ns() - began < ns:
        processor_relax()
