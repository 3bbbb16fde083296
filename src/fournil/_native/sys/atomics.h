#ifndef FOURNIL_ATOMICS_H
#define FOURNIL_ATOMICS_H

#include <stdint.h>

/* Add to a counter that several threads add to; return what it was. */
static inline uint64_t take_number(uint64_t *counter, uint64_t count) {
    return __atomic_fetch_add(counter, count, __ATOMIC_RELAXED);
}

/* Write a field after all that was written before it. */
static inline void publish(uint64_t *field, uint64_t value) {
    __atomic_store_n(field, value, __ATOMIC_RELEASE);
}

/* A field of one word that says what others mean, 0 before these are written anew. */
static inline void retract(uint64_t *field) {
    __atomic_store_n(field, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* The first word of a slot, 0 before all that is written after it: who reads the slot meanwhile
 * sees that it is being written. */
static inline void begin_slot(uint32_t *number) {
    __atomic_store_n(number, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* The same word after all that was written before it, with the number of what lies there now. */
static inline void end_slot(uint32_t *number, uint32_t value) {
    __atomic_store_n(number, value, __ATOMIC_RELEASE);
}

/* Read a field before all that is read after it. */
static inline uint64_t observe(uint64_t *field) {
    return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

/* Move a state on, from one that it may not be in any more; return whether it was. */
static inline int move_on(int *state, int from, int to) {
    return __atomic_compare_exchange_n(state, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Read a state before all that is read after it. */
static inline int state_of(int *state) {
    return __atomic_load_n(state, __ATOMIC_ACQUIRE);
}

/* Read a field after all that is read before it. */
static inline uint64_t observe_again(uint64_t *field) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

/* Write a field, then read another: of two threads that each write the field which the other
 * reads, at least one sees what the other wrote. */
static inline uint64_t publish_and_observe(uint64_t *written, uint64_t value, uint64_t *read) {
    __atomic_store_n(written, value, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(read, __ATOMIC_SEQ_CST);
}
#endif
