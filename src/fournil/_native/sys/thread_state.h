/* What the kernel says of one thread of this process, without asking the thread. */
#ifndef FOURNIL_THREAD_STATE_H
#define FOURNIL_THREAD_STATE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "thread_descriptors.h"

/* Where the files of threads are. A program may go where there is no /proc, by chroot, so that the
 * folder is opened once. */
static const char THREADS[] = "/proc/self/task";

/* Open a file of a thread, in the folder of THREADS; none when the thread is gone. */
static inline Descriptor thread_file(const Descriptor *threads, int tid, const char *name) {
    static const Descriptor none;
    char path[64];
    snprintf(path, sizeof path, "%d/%s", tid, name);
    if (!descriptor_is_ours(threads))
        return none;
    return descriptor_open(threads, path, 0, !threads->shared);
}

/* Open one again that was closed; see descriptor_reopen. */
static inline void thread_file_reopen(Descriptor *one, const Descriptor *threads, int tid,
                                      const char *name) {
    if (!descriptor_is_ours(one))
        *one = thread_file(threads, tid, name);
}

/* What the fields after a thread's name are, in its open `stat` file; NULL: it is gone. The
 * name is in parentheses and may hold any character. */
static inline const char *thread_fields(const Descriptor *stat, char *text, size_t size) {
    ssize_t got = descriptor_read(stat, text, size - 1, 0);
    if (got <= 0)
        return NULL;
    text[got] = 0;
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end + 2 : NULL;
}

/* The state letter: R runs or wants to, S and D wait; 0: gone. */
static inline char thread_state(const Descriptor *stat) {
    char text[512];
    const char *fields = thread_fields(stat, text, sizeof text);
    return fields != NULL ? fields[0] : 0;
}

/* How many more ticks a thread has spent in the kernel than outside of it. */
static inline long thread_kernel_ticks(const Descriptor *stat) {
    char text[512];
    unsigned long outside, inside;
    const char *fields = thread_fields(stat, text, sizeof text);
    if (fields == NULL || sscanf(fields, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                 &outside, &inside) != 2)
        return 0;
    return (long)inside - (long)outside;
}

/* The number of the system call that the thread waits in, and its first argument; -1: none,
 * or the kernel does not tell. `file` is its open `syscall` file, or none. */
static inline long thread_syscall(const Descriptor *file, uint64_t *argument) {
    char text[256];
    char *end;
    *argument = 0;
    ssize_t size = descriptor_read(file, text, sizeof text - 1, 0);
    if (size <= 0)
        return -1;
    text[size] = 0;
    long number = strtol(text, &end, 10);
    if (end == text)
        return -1; /* "running" */
    *argument = strtoull(end, NULL, 16);
    return number;
}

/* How long a thread has wanted to run while others had the CPUs, in nanoseconds; 0: the kernel
 * does not tell. `schedstat` is its open file of that name, or none. */
static inline uint64_t thread_cpu_wait_ns(const Descriptor *schedstat) {
    char text[96];
    unsigned long long ran, waited;
    ssize_t size = descriptor_read(schedstat, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? waited : 0;
}

/* How often a thread has begun to wait for something; 0: the kernel does not tell.
 * `status` is its open file of that name, or none. */
static inline unsigned long thread_waits(const Descriptor *status) {
    static const char name[] = "\nvoluntary_ctxt_switches:";
    char text[4096];
    ssize_t size = descriptor_read(status, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    const char *line = strstr(text, name);
    return line != NULL ? strtoul(line + sizeof name - 1, NULL, 10) : 0;
}

/* The CPU clock of a thread, as the kernel makes it of the thread's id
 * (include/linux/posix-timers.h): unlike pthread_getcpuclockid this is safe for a thread that
 * has ended. */
static inline clockid_t thread_clock(int tid) {
    return (clockid_t)((~(unsigned)tid << 3) | 6);
}

/* The CPU time of a thread, in nanoseconds; 0 when it is gone. */
static inline uint64_t thread_cpu_ns(int tid) {
    struct timespec used;
    if (clock_gettime(thread_clock(tid), &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* The CPU time of the calling thread, in nanoseconds. */
static inline uint64_t own_cpu_ns(void) {
    struct timespec used;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* For how long a quota has stopped the processes of a control group so far, in microseconds; 0: it
 * has none, or the kernel does not tell. `stat` is its open `cpu.stat` file, or none: of the second
 * version of control groups, or of the first. */
static inline uint64_t group_throttled_us(const Descriptor *stat) {
    static const char first[] = "throttled_time ", second[] = "throttled_usec ";
    char text[1024];
    const char *found;
    ssize_t size = descriptor_read(stat, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    if ((found = strstr(text, second)) != NULL)
        return strtoull(found + sizeof second - 1, NULL, 10);
    found = strstr(text, first);
    return found != NULL ? strtoull(found + sizeof first - 1, NULL, 10) / 1000 : 0;
}

#endif
