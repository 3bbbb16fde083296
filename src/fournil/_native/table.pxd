from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t


cdef struct Bucket:
    void *key                           # NULL: empty
    int64_t value


cdef class PointerTable:
    # Touched only by threads that hold the GIL.
    cdef Bucket *buckets
    cdef size_t mask                    # one less than a power of two
    cdef size_t count

    cdef int put(self, void *key, int64_t value) except -1
    cdef void remove(self, void *key) noexcept
    cdef int grow(self) except -1


cdef inline size_t bucket_of(void *key, size_t mask) noexcept:
    # Objects are aligned to 16 bytes; the multiplier spreads the rest (Fibonacci hashing).
    return <size_t> (((<uint64_t> key >> 4) * <uint64_t> 0x9E3779B97F4A7C15) >> 20) & mask


cdef inline int64_t lookup(PointerTable table, void *key) noexcept:
    """Return the value of `key`, or -1."""
    cdef size_t place = bucket_of(key, table.mask)
    while table.buckets[place].key != NULL:
        if table.buckets[place].key == key:
            return table.buckets[place].value
        place = (place + 1) & table.mask
    return -1
