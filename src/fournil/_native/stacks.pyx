"""The stacks in a recording: each is stored once, however often it is seen."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from fournil._native.ring cimport Ring
from fournil._native.sys.threads cimport (
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
)


cdef class StackStore:
    """Stores stacks in a recording's text."""

    def __cinit__(self, Ring ring not None):
        self.ring = ring
        pthread_mutex_init(&self.lock, NULL)

    cdef uint32_t store(self, const char *stack, size_t length) noexcept nogil:
        """Return the offset of a stack in the text, 0 when there is no room."""
        cdef uint64_t hash = <uint64_t> 0xCBF29CE484222325  # FNV-1a, 64 bits
        cdef KnownStack *place
        cdef uint32_t text
        cdef size_t i
        for i in range(length):
            hash = (hash ^ <unsigned char> stack[i]) * <uint64_t> 0x100000001B3
        place = &self.known[hash % KNOWN_STACKS]
        pthread_mutex_lock(&self.lock)
        if place.hash == hash and place.text:
            text = place.text
        else:
            text = self.ring.write_text(stack, length)
            place.hash = hash
            place.text = text
        pthread_mutex_unlock(&self.lock)
        return text
