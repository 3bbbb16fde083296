/* What the kernel says of one thread of this process, without asking the thread. */
#ifndef FOURNIL_THREAD_STATE_H
#define FOURNIL_THREAD_STATE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Open a file of /proc/self/task/TID; -1 when the thread is gone. */
static inline int thread_file(int tid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* What the fields after a thread's name are, in an open `stat` file; NULL: it is gone. The
 * name is in parentheses and may hold any character. */
static inline const char *thread_fields(int stat_fd, char *text, size_t size) {
    ssize_t got = pread(stat_fd, text, size - 1, 0);
    if (got <= 0)
        return NULL;
    text[got] = 0;
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end + 2 : NULL;
}

/* The state letter: R runs or wants to, S and D wait; 0: gone. */
static inline char thread_state(int stat_fd) {
    char text[512];
    const char *fields = thread_fields(stat_fd, text, sizeof text);
    return fields != NULL ? fields[0] : 0;
}

/* How many more ticks a thread has spent in the kernel than outside of it. */
static inline long thread_kernel_ticks(int stat_fd) {
    char text[512];
    unsigned long outside, inside;
    const char *fields = thread_fields(stat_fd, text, sizeof text);
    if (fields == NULL || sscanf(fields, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                 &outside, &inside) != 2)
        return 0;
    return (long)inside - (long)outside;
}

/* The number of the system call that the thread waits in, and its first argument; -1: none,
 * or the kernel does not tell. `syscall_fd` is an open `syscall` file, or -1. */
static inline long thread_syscall(int syscall_fd, uint64_t *argument) {
    char text[256];
    char *end;
    *argument = 0;
    ssize_t size = syscall_fd < 0 ? -1 : pread(syscall_fd, text, sizeof text - 1, 0);
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
 * does not tell. `schedstat_fd` is an open `schedstat` file, or -1. */
static inline uint64_t thread_cpu_wait_ns(int schedstat_fd) {
    char text[96];
    unsigned long long ran, waited;
    ssize_t size = schedstat_fd < 0 ? -1 : pread(schedstat_fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    return sscanf(text, "%llu %llu", &ran, &waited) == 2 ? waited : 0;
}

/* How often a thread has begun to wait for something; 0: the kernel does not tell.
 * `status_fd` is an open `status` file, or -1. */
static inline unsigned long thread_waits(int status_fd) {
    static const char name[] = "\nvoluntary_ctxt_switches:";
    char text[4096];
    ssize_t size = status_fd < 0 ? -1 : pread(status_fd, text, sizeof text - 1, 0);
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

#endif
