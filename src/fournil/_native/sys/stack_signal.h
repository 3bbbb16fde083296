/* A thread writes its own Python stack when it gets a signal.
 *
 * faulthandler's handler for a registered signal writes the stack of the thread that it runs
 * in, and needs no GIL. Ours wraps it: it answers only to the watch, says whether the thread
 * held the GIL, and says when the stack is complete.
 *
 * A signal ends some system calls early, and not all of them start again. So the watch asks
 * a thread only while it is on the CPU, never while it waits in the kernel. */
#ifndef FOURNIL_STACK_SIGNAL_H
#define FOURNIL_STACK_SIGNAL_H

#include <Python.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STACK_IDLE, STACK_ASKED, STACK_WRITING, STACK_WRITTEN };

static int stack_signal_number = 0;
static void (*stack_signal_write)(int) = NULL;
static int stack_signal_tid = 0;   /* the thread that was asked */
static int stack_signal_state = STACK_IDLE;
static int stack_signal_gil = 0;   /* whether it held the GIL */

static int stack_signal_holds_gil(void) {
#if PY_VERSION_HEX >= 0x030D0000
    PyThreadState *current = PyThreadState_GetUnchecked();
#else
    PyThreadState *current = _PyThreadState_UncheckedGet();
#endif
    return current != NULL && current == PyGILState_GetThisThreadState();
}

static void stack_signal_handler(int number, siginfo_t *info, void *context) {
    (void)info;
    (void)context;
    int saved = errno;
    int asked = STACK_ASKED;
    if (__atomic_load_n(&stack_signal_tid, __ATOMIC_ACQUIRE) == (int)syscall(SYS_gettid) &&
        __atomic_compare_exchange_n(&stack_signal_state, &asked, STACK_WRITING, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        stack_signal_gil = stack_signal_holds_gil();
        stack_signal_write(number);
        __atomic_store_n(&stack_signal_state, STACK_WRITTEN, __ATOMIC_RELEASE);
    }
    errno = saved;
}

/* The highest real-time signal that nobody uses (programs take the lowest); 0: none is free. */
static int stack_signal_choose(void) {
    struct sigaction now;
    for (int number = SIGRTMAX - 1; number > SIGRTMIN; number--)
        if (sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
            now.sa_handler == SIG_DFL)
            return number;
    return 0;
}

/* Wrap the handler that faulthandler has just set for `number`. */
static int stack_signal_install(int number) {
    struct sigaction theirs, ours;
    if (sigaction(number, NULL, &theirs) != 0)
        return -1;
    stack_signal_write = theirs.sa_handler;
    stack_signal_state = STACK_IDLE;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = stack_signal_handler;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    stack_signal_number = number;
    return sigaction(number, &ours, NULL);
}

/* Whether the signal's handler is still the one set above: a program may have set its own. */
static int stack_signal_is_ours(void) {
    struct sigaction now;
    return stack_signal_number != 0 && sigaction(stack_signal_number, NULL, &now) == 0 &&
           (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == stack_signal_handler;
}

/* Give the signal up; return whether it was still ours. A request that some thread has not
 * taken yet would end the process once the default action is back: setting the signal to be
 * ignored discards it. */
static int stack_signal_remove(void) {
    int ours = stack_signal_is_ours();
    if (ours) {
        struct sigaction ignore;
        memset(&ignore, 0, sizeof ignore);
        ignore.sa_handler = SIG_IGN;
        sigaction(stack_signal_number, &ignore, NULL);
    }
    stack_signal_number = 0;
    return ours;
}

/* Ask a thread for its stack and wait until it is written. Returns 1 when the thread held
 * the GIL, 0 when it did not, -1 when it did not answer in time. One caller at a time. */
static int stack_signal_ask(int tid, long timeout_us) {
    struct timespec pause = {0, 50000};
    int asked = STACK_ASKED;
    __atomic_store_n(&stack_signal_tid, tid, __ATOMIC_RELEASE);
    __atomic_store_n(&stack_signal_state, STACK_ASKED, __ATOMIC_RELEASE);
    if (syscall(SYS_tgkill, getpid(), tid, stack_signal_number) != 0)
        return -1;
    for (long waited = 0; waited < timeout_us; waited += 100) {
        if (__atomic_load_n(&stack_signal_state, __ATOMIC_ACQUIRE) == STACK_WRITTEN)
            return stack_signal_gil;
        nanosleep(&pause, NULL);
    }
    if (__atomic_compare_exchange_n(&stack_signal_state, &asked, STACK_IDLE, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return -1;
    /* It has begun to write: it will end, however busy the machine is. */
    while (__atomic_load_n(&stack_signal_state, __ATOMIC_ACQUIRE) != STACK_WRITTEN)
        nanosleep(&pause, NULL);
    return stack_signal_gil;
}

#endif
