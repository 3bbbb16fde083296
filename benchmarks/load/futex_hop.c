/* The floor of a call in a thread: two threads on two cores that wake each other by futexes.
 *
 *     futex_hop CORE OTHER_CORE SECONDS
 *
 * Prints how many nanoseconds there and back took, and how many of the processor's.
 */

#define _GNU_SOURCE

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hop.h"

enum { WARM_UP = 200 };

static _Atomic uint32_t there, back;
static atomic_bool ended;

static void wait_for(_Atomic uint32_t *word)
{
    while (!atomic_exchange(word, 0))
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void tell(_Atomic uint32_t *word)
{
    atomic_store(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer(void *core)
{
    keep_to(*(int *)core);
    for (;;) {
        wait_for(&there);
        if (ended)
            return NULL;
        tell(&back);
    }
}

static void hop(void)
{
    tell(&there);
    wait_for(&back);
}

int main(int count, char **arguments)
{
    if (count != 4)
        fail(0, "usage: futex_hop CORE OTHER_CORE SECONDS");
    int core = atoi(arguments[1]), other_core = atoi(arguments[2]);
    double seconds = atof(arguments[3]), began, took, cpu;
    long hops = 0;
    pthread_t other;
    keep_to(core);
    int error = pthread_create(&other, NULL, answer, &other_core);
    if (error)
        fail(error, "pthread_create");
    for (int i = 0; i < WARM_UP; i++)
        hop();
    began = now(CLOCK_MONOTONIC);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    do {
        hop();
        hops++;
    } while ((took = now(CLOCK_MONOTONIC) - began) < seconds);
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    ended = true;
    tell(&there);
    pthread_join(other, NULL);
    printf("%.1f %.1f\n", took / (double)hops * 1e9, cpu / (double)hops * 1e9);
    return 0;
}
