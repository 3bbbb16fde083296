from libc.stddef cimport size_t

# What keeps a mapped recording from harming its program; see the header. For the ring's module
# alone, whose variables these functions share.
cdef extern from "sys/map_guard.h" nogil:
    int map_guard_add(void *base, size_t size, void *owner, void **current)
    void map_guard_remove(int place, void *owner)
    void map_guard_count_forks(int place, unsigned long long *forks)
    bint map_guard_is_lost(int place)
    void map_guard_look(int place)
