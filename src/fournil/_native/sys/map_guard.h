/* Keeps a mapped recording from harming the program that writes it.
 *
 * A forked child shares the mapping and goes on in the middle of a step, so it would write into its
 * parent's recording. And where the file is cut short, or its disk has no room left for a page,
 * who writes there gets SIGBUS, which ends the process. In both cases the mapping is replaced in
 * place by private empty memory: what is still written, through pointers that are held, goes
 * nowhere. mmap is a plain system call, allowed in a child and in a signal's handler. */
#ifndef FOURNIL_MAP_GUARD_H
#define FOURNIL_MAP_GUARD_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Recordings that are mapped: the one that is written, and those that ended and are still held by
 * loops which have not come to their next turn, or were never closed. */
enum { MAP_GUARDS = 64 };

/* How long another's handler may take that was set over ours, and that says all about the process
 * before it hands on. */
static const unsigned long long MAP_GUARD_HANDED_ON_NS = 10000000000u;

enum { MAP_GUARD_TRIES = 100 }; /* looks, a millisecond apart, at a file that is being cut */

/* Written under the GIL, but for what the signal's handler and a forked child write. */
typedef struct {
    char *base;                /* NULL: the place is free. Written last, and cleared first */
    size_t size;
    void *owner;               /* the ring */
    unsigned long long *forks; /* counts the children; NULL: it has ended */
    /* When the file had no page where one was written to, CLOCK_MONOTONIC; 0: it has all. */
    unsigned long long lost_ns;
} MapGuard;

static MapGuard map_guards[MAP_GUARDS];
static void **map_guard_current; /* the ring that loops record into; a lost one is taken away */
static struct sigaction map_guard_before;
static int map_guard_installed;  /* whether our handler was set, and not taken back since */

static int map_guards_in_use(void) {
    for (int i = 0; i < MAP_GUARDS; i++)
        if (__atomic_load_n(&map_guards[i].base, __ATOMIC_ACQUIRE) != NULL)
            return 1;
    return 0;
}

static void map_guard_replace(MapGuard *guard) {
    char *base = __atomic_load_n(&guard->base, __ATOMIC_ACQUIRE);
    mmap(base, guard->size, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

static unsigned long long map_guard_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000u + (unsigned long long)now.tv_nsec;
}

static void map_guard_lose(MapGuard *guard) {
    void *owner = guard->owner;
    /* First, for another thread that meanwhile finds the mapping whole. */
    __atomic_store_n(&guard->lost_ns, map_guard_now_ns(), __ATOMIC_RELEASE);
    map_guard_replace(guard);
    __atomic_compare_exchange_n(map_guard_current, &owner, NULL, 0, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
}

/* Whether the file has been cut short: the kernel cannot read what is mapped at its end. */
static int map_guard_is_cut(const MapGuard *guard) {
    char last;
    struct iovec here = {&last, 1}, there = {guard->base + guard->size - 1, 1};
    return guard->lost_ns == 0 &&
           syscall(SYS_process_vm_readv, getpid(), &here, 1, &there, 1, 0) < 0 && errno == EFAULT;
}

/* Forks. */

static void map_guard_in_parent(void) {
    for (int i = 0; i < MAP_GUARDS; i++)
        if (map_guards[i].base != NULL && map_guards[i].forks != NULL)
            __atomic_fetch_add(map_guards[i].forks, 1, __ATOMIC_RELAXED);
}

static void map_guard_in_child(void) {
    for (int i = 0; i < MAP_GUARDS; i++)
        if (map_guards[i].base != NULL) {
            map_guard_replace(&map_guards[i]);
            map_guards[i].base = NULL;
        }
}

/* SIGBUS. */

static void map_guard_handler(int number, siginfo_t *info, void *context);

static int map_guard_is_set(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == map_guard_handler;
}

/* Set the handler, before what is set now. */
static void map_guard_set(const struct sigaction *now) {
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = map_guard_handler;
    ours.sa_mask = now->sa_mask;
    /* SA_NODEFER: what is handed on finds the signal as it would without us. */
    ours.sa_flags = SA_SIGINFO | SA_NODEFER | (now->sa_flags & SA_ONSTACK);
    map_guard_before = *now;
    map_guard_installed = sigaction(SIGBUS, &ours, NULL) == 0;
}

/* Set the handler where it is not. One that a program has set over ours, and that may hand on to
 * ours, stays where it is: over it, ours and it would hand on to each other for ever. */
static void map_guard_watch_signal(void) {
    struct sigaction now;
    if (sigaction(SIGBUS, NULL, &now) != 0 || map_guard_is_set(&now))
        return;
    if (!map_guard_installed || (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL))
        map_guard_set(&now);
}

static void map_guard_leave_signal(void) {
    struct sigaction now;
    if (map_guard_installed && sigaction(SIGBUS, NULL, &now) == 0 && map_guard_is_set(&now)) {
        map_guard_installed = 0;
        sigaction(SIGBUS, &map_guard_before, NULL);
    }
}

/* Do with a signal that is not about a recording what was done before ours was set. */
static void map_guard_hand_on(int number, siginfo_t *info, void *context) {
    const struct sigaction *before = &map_guard_before;
    int by_function = (before->sa_flags & SA_SIGINFO) ||
                      (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN);
    if (info->si_code > 0 || (!by_function && before->sa_handler == SIG_DFL)) {
        /* The instruction is run again, and faults again; a signal that was sent, is sent again. */
        map_guard_installed = 0;
        sigaction(number, before, NULL);
        if (info->si_code <= 0)
            syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info);
    } else if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(number, info, context);
    else if (by_function)
        before->sa_handler(number);
}

/* Find the mapping that a signal is about; NULL: it is about something else. */
static MapGuard *map_guard_of(const siginfo_t *info) {
    const char *address = info->si_addr;
    int sent = info->si_code <= 0;
    for (int i = 0; i < MAP_GUARDS; i++) {
        MapGuard *guard = &map_guards[i];
        const char *base = __atomic_load_n(&guard->base, __ATOMIC_ACQUIRE);
        if (base == NULL)
            continue;
        if (!sent && base <= address && address < base + guard->size)
            return guard;
        /* A handler that was set over ours, as faulthandler's, hands on by raising the signal
         * again, without the address; the watch may have seen to the mapping meanwhile. */
        if (sent && (guard->lost_ns != 0
                         ? map_guard_now_ns() - guard->lost_ns < MAP_GUARD_HANDED_ON_NS
                         : map_guard_is_cut(guard)))
            return guard;
    }
    return NULL;
}

static void map_guard_handler(int number, siginfo_t *info, void *context) {
    const struct timespec pause = {0, 1000000};
    int saved = errno;
    MapGuard *guard = NULL;
    if (info->si_code > 0 || info->si_pid == getpid())
        guard = map_guard_of(info);
    if (guard == NULL && info->si_code == SI_TKILL && map_guards_in_use())
        /* A file's pages go one after the other, the last one last. */
        for (int i = 0; i < MAP_GUARD_TRIES && guard == NULL; i++) {
            nanosleep(&pause, NULL);
            guard = map_guard_of(info);
        }
    if (guard == NULL)
        map_guard_hand_on(number, info, context);
    else if (guard->lost_ns == 0)
        map_guard_lose(guard);
    errno = saved;
}

/* Guard a mapping. Returns its place; -1: there is none. */
static int map_guard_add(void *base, size_t size, void *owner, void **current) {
    static int forks_known = 0;
    if (!forks_known) {
        forks_known = 1;
        pthread_atfork(NULL, map_guard_in_parent, map_guard_in_child);
    }
    for (int i = 0; i < MAP_GUARDS; i++)
        if (map_guards[i].base == NULL) {
            const MapGuard guard = {NULL, size, owner, NULL, 0};
            map_guards[i] = guard;
            map_guard_current = current;
            __atomic_store_n(&map_guards[i].base, (char *)base, __ATOMIC_RELEASE);
            map_guard_watch_signal();
            return i;
        }
    return -1;
}

/* No longer guard a mapping, which nobody writes to. In a forked child it is not guarded, and its
 * place may be another's. */
static void map_guard_remove(int place, void *owner) {
    if (map_guards[place].base == NULL || map_guards[place].owner != owner)
        return;
    __atomic_store_n(&map_guards[place].base, NULL, __ATOMIC_RELEASE);
    if (!map_guards_in_use())
        map_guard_leave_signal();
}

static void map_guard_count_forks(int place, unsigned long long *forks) {
    map_guards[place].forks = forks;
}

static int map_guard_is_lost(int place) {
    return __atomic_load_n(&map_guards[place].lost_ns, __ATOMIC_ACQUIRE) != 0;
}

/* Look whether a mapping is whole, and the handler set: that of a program may have replaced ours
 * without handing on to it, and a thread then faults again and again. Needs no GIL. */
static void map_guard_look(int place) {
    if (map_guard_is_cut(&map_guards[place]))
        map_guard_lose(&map_guards[place]);
    map_guard_watch_signal();
}

#endif
