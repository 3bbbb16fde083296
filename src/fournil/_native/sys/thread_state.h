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
static int thread_file(int tid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The state letter of an open `stat` file: R runs or wants to, S and D wait; 0: gone. */
static char thread_state(int stat_fd) {
    char text[512];
    ssize_t size = pread(stat_fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = 0;
    /* The second field is the thread's name in parentheses, which may hold any character. */
    char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : 0;
}

/* The number of the system call that the thread waits in, and its first argument; -1: none,
 * or the kernel does not tell. `syscall_fd` is an open `syscall` file, or -1. */
static long thread_syscall(int syscall_fd, uint64_t *argument) {
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

/* The CPU time of a thread, in nanoseconds; 0 when it is gone. The clock's id is made as
 * the kernel defines it for thread ids (include/linux/posix-timers.h): unlike
 * pthread_getcpuclockid this is safe for a thread that has ended. */
static uint64_t thread_cpu_ns(int tid) {
    struct timespec used;
    clockid_t clock = (clockid_t)((~(unsigned)tid << 3) | 6);
    if (clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

#endif
