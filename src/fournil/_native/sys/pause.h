/* A wait that another thread can end, without a descriptor. */
#ifndef FOURNIL_PAUSE_H
#define FOURNIL_PAUSE_H

#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Wait for so long, or until pause_end was called with the same word, which begins as 0, since the
 * last wait. Returns whether it was. */
static inline int pause_for(int *ended, uint64_t ns) {
    struct timespec most = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    if (!__atomic_load_n(ended, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, ended, FUTEX_WAIT_PRIVATE, 0, &most, NULL, 0);
    return __atomic_exchange_n(ended, 0, __ATOMIC_ACQ_REL);
}

static inline void pause_end(int *ended) {
    __atomic_store_n(ended, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, ended, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
