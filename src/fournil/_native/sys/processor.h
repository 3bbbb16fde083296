/* A thread that looks again and again, and the processor that it does so on. */
#ifndef FOURNIL_PROCESSOR_H
#define FOURNIL_PROCESSOR_H

#include <sched.h>
#include <sys/resource.h>

/* Between two looks: the other thread of the same core, and the bus, may go on. */
static inline void processor_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* Let others run that wait for this processor, if any do. Linux counts that as if they had taken
 * it. */
static inline void processor_offer(void) { sched_yield(); }

/* How many times others took the processor from this thread; 0 where that is not known. */
static inline long processor_taken(void) {
    struct rusage used;
    return getrusage(RUSAGE_THREAD, &used) ? 0 : used.ru_nivcsw;
}
#endif
