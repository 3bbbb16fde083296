"""A hash table from pointers to numbers: open addressing, linear probing, no tombstones."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stddef cimport size_t
from libc.stdint cimport int64_t


cdef class PointerTable:
    """Maps pointers, which it neither follows nor owns, to numbers of zero or more."""

    def __cinit__(self):
        self.mask = 255
        self.buckets = <Bucket *> PyMem_Calloc(self.mask + 1, sizeof(Bucket))
        if self.buckets == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.buckets)

    def __len__(self):
        return self.count

    cdef int put(self, void *key, int64_t value) except -1:
        """Set the value of `key`."""
        cdef size_t place
        if self.count * 2 > self.mask:
            self.grow()
        place = bucket_of(key, self.mask)
        while self.buckets[place].key != NULL and self.buckets[place].key != key:
            place = (place + 1) & self.mask
        if self.buckets[place].key == NULL:
            self.count += 1
        self.buckets[place].key = key
        self.buckets[place].value = value
        return 0

    cdef void remove(self, void *key) noexcept:
        """Forget `key`; one that is not there is let be."""
        cdef size_t hole = bucket_of(key, self.mask)
        cdef size_t place, home
        while self.buckets[hole].key != key:
            if self.buckets[hole].key == NULL:
                return
            hole = (hole + 1) & self.mask
        self.count -= 1
        # Knuth, The Art of Computer Programming, volume 3, algorithm 6.4R: entries behind the
        # hole move up, so that each stays reachable from its home without a gap.
        place = hole
        while True:
            place = (place + 1) & self.mask
            if self.buckets[place].key == NULL:
                break
            home = bucket_of(self.buckets[place].key, self.mask)
            if ((place - home) & self.mask) >= ((place - hole) & self.mask):
                self.buckets[hole] = self.buckets[place]
                hole = place
        self.buckets[hole].key = NULL

    cdef int grow(self) except -1:
        cdef size_t old_size = self.mask + 1
        cdef Bucket *old = self.buckets
        cdef Bucket *buckets = <Bucket *> PyMem_Calloc(old_size * 2, sizeof(Bucket))
        cdef size_t i
        if buckets == NULL:
            raise MemoryError
        self.buckets = buckets
        self.mask = old_size * 2 - 1
        self.count = 0
        for i in range(old_size):
            if old[i].key != NULL:
                self.put(old[i].key, old[i].value)
        PyMem_Free(old)
        return 0

    # For tests.

    def _put(self, size_t key, int64_t value):
        if key == 0 or value < 0:
            raise ValueError(f"a table maps pointers to numbers of zero or more: {key}, {value}")
        self.put(<void *> key, value)

    def _remove(self, size_t key):
        if key:
            self.remove(<void *> key)

    def _get(self, size_t key):
        return lookup(self, <void *> key)
