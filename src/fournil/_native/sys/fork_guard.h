/* A forked child shares the recording's mapping and goes on in the middle of a step, so it
 * would write into its parent's recording. Before any other code of the child runs, the
 * mapping is replaced in place by private empty memory: what the child still writes, through
 * pointers that it holds, goes nowhere. mmap is a plain system call, allowed in a child. */
#ifndef FOURNIL_FORK_GUARD_H
#define FOURNIL_FORK_GUARD_H

#include <pthread.h>
#include <sys/mman.h>

/* Written under the GIL; read by the fork's own thread. */
static void *fork_guard_base = NULL;
static size_t fork_guard_size = 0;
static unsigned long long *fork_guard_forks = NULL;
static int fork_guard_installed = 0;

static void fork_guard_parent(void) {
    if (fork_guard_forks != NULL)
        __atomic_fetch_add(fork_guard_forks, 1, __ATOMIC_RELAXED);
}

static void fork_guard_in_new_child(void) {
    if (fork_guard_base != NULL)
        mmap(fork_guard_base, fork_guard_size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static int fork_guard_install(void) {
    if (fork_guard_installed)
        return 0;
    fork_guard_installed = 1;
    return pthread_atfork(NULL, fork_guard_parent, fork_guard_in_new_child);
}

static void fork_guard_set(void *base, size_t size, unsigned long long *forks) {
    fork_guard_base = base;
    fork_guard_size = size;
    fork_guard_forks = forks;
}

#endif
