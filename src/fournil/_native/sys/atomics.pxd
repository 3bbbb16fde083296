from libc.stdint cimport uint32_t, uint64_t

# Fields that one thread writes and another reads, or that two write.
cdef extern from "sys/atomics.h" nogil:
    uint64_t take_number(uint64_t *counter, uint64_t count)
    void publish(uint64_t *field, uint64_t value)
    void retract(uint64_t *field)
    void begin_slot(uint32_t *number)
    void end_slot(uint32_t *number, uint32_t value)
    uint64_t observe(uint64_t *field)
    uint64_t publish_and_observe(uint64_t *written, uint64_t value, uint64_t *read)
    uint64_t observe_again(uint64_t *field)
    bint move_on(int *state, int before, int after)
    int state_of(int *state)
