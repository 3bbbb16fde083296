cdef str what_is_served(void *state)
