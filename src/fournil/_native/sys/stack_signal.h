/* A thread that is on the CPU writes its own Python stack when it gets a signal.
 *
 * A signal that finds a thread waiting in the kernel ends some system calls early, and not
 * all of them start again. So no thread is sent one: a timer on the thread's own CPU clock
 * sends it, and that clock stands still while the thread waits. Since Linux 5.10 such a
 * timer acts when the thread is about to leave the kernel, when no call is left to end. */
#ifndef FOURNIL_STACK_SIGNAL_H
#define FOURNIL_STACK_SIGNAL_H

#include <Python.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "stack_read.h"
#include "thread_state.h"
#include "ticks.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { STACK_IDLE, STACK_ASKED, STACK_WRITING, STACK_WRITTEN };

/* What a thread that was asked does. */
enum {
    STACK_ON_CPU,      /* it runs, and has written its stack */
    STACK_IN_KERNEL,   /* it was in a system call, and has written its stack */
    STACK_WAITS,       /* it does not run */
    STACK_UNANSWERED   /* it runs, or wants to, and did not answer in time */
};

typedef struct {
    int number;        /* the signal; 0: none. Written while the watch's threads do not run */
    int through[2];    /* see stack_copy; the handler's */
    int state;         /* handed to and fro between the watch and the handler */
    /* Written by the watch before it asks. */
    int tid;
    const PyThreadState *thread;
    /* The handler's from STACK_WRITING on, the watch's from STACK_WRITTEN on. */
    StackSeen seen;
    int in_kernel;     /* whether the thread was in a system call */
    uint64_t argument; /* the first one of that call; 0: not known */
} StackSignal;

static StackSignal stack_signal;

/* Whether the signal came at the end of a system call, seen by the instruction before the one
 * that comes next, or, for a call that is about to start again, by that one. */
static int stack_signal_in_kernel(const ucontext_t *context, uint64_t *argument) {
    *argument = 0;
#if defined(__x86_64__)
    unsigned char code[4];
    const char *next = (const char *)context->uc_mcontext.gregs[REG_RIP];
    *argument = (uint64_t)context->uc_mcontext.gregs[REG_RDI];
    return stack_copy(stack_signal.through, code, next - 2, sizeof code) &&
           (memcmp(code, "\x0f\x05", 2) == 0 || memcmp(code + 2, "\x0f\x05", 2) == 0);
#elif defined(__aarch64__)
    uint32_t code[2];
    const char *next = (const char *)context->uc_mcontext.pc;
    return stack_copy(stack_signal.through, code, next - 4, sizeof code) &&
           (code[0] == 0xd4000001 || code[1] == 0xd4000001);
#else
    (void)context;
    return 0;
#endif
}

static void stack_signal_handler(int number, siginfo_t *info, void *context) {
    (void)number;
    int saved = errno;
    int asked = STACK_ASKED;
    if (info->si_code == SI_TIMER &&
        __atomic_load_n(&stack_signal.tid, __ATOMIC_ACQUIRE) == (int)syscall(SYS_gettid) &&
        __atomic_compare_exchange_n(&stack_signal.state, &asked, STACK_WRITING, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        stack_signal.in_kernel = stack_signal_in_kernel(context, &stack_signal.argument);
        stack_read(stack_signal.thread, stack_signal.through, &stack_signal.seen);
        __atomic_store_n(&stack_signal.state, STACK_WRITTEN, __ATOMIC_RELEASE);
    }
    errno = saved;
}

/* Take a signal if nobody uses it. Returns whether it is taken. */
static int stack_signal_try(int number) {
    struct sigaction now, ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = stack_signal_handler;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    return sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == SIG_DFL && sigaction(number, &ours, NULL) == 0;
}

/* Take a signal. Returns its number; 0: none is free.
 *
 * A program that replaces itself by exec loses its handlers, and keeps the signals that are
 * pending: the default action of most would end the new program. SIGURG's is to do nothing,
 * and few programs use it. For one that does, the highest real-time signal that nobody uses
 * (programs take the lowest). */
static int stack_signal_take(void) {
    int taken = 0;
    if (pipe2(stack_signal.through, O_CLOEXEC | O_NONBLOCK) != 0)
        return 0;
    stack_signal.state = STACK_IDLE;
    if (stack_signal_try(SIGURG))
        taken = SIGURG;
    for (int number = SIGRTMAX - 1; number > SIGRTMIN && taken == 0; number--)
        if (stack_signal_try(number))
            taken = number;
    if (taken == 0) {
        close(stack_signal.through[0]);
        close(stack_signal.through[1]);
    }
    return stack_signal.number = taken;
}

/* Whether the signal's handler is still the one set above: a program may have set its own. */
static int stack_signal_is_ours(void) {
    struct sigaction now;
    return stack_signal.number != 0 && sigaction(stack_signal.number, NULL, &now) == 0 &&
           (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == stack_signal_handler;
}

/* Give the signal back. One that a thread has not taken yet would end the process once the
 * default action is back: setting the signal to be ignored discards it. */
static void stack_signal_give_back(void) {
    struct sigaction action;
    if (stack_signal.number == 0)
        return;
    if (stack_signal_is_ours()) {
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_IGN;
        sigaction(stack_signal.number, &action, NULL);
        action.sa_handler = SIG_DFL;
        sigaction(stack_signal.number, &action, NULL);
    }
    stack_signal.number = 0;
    close(stack_signal.through[0]);
    close(stack_signal.through[1]);
}

/* Make the timer by which a thread is asked; -1: the system has none. By system calls, since
 * the C library hides the timers' numbers in pointers. */
static int stack_timer_make(int tid) {
    struct sigevent event;
    int timer;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = stack_signal.number;
    event.sigev_notify_thread_id = tid;
    if (stack_signal.number == 0 ||
        syscall(SYS_timer_create, thread_clock(tid), &event, &timer) != 0)
        return -1;
    return timer;
}

static void stack_timer_remove(int timer) {
    syscall(SYS_timer_delete, timer);
}

/* Set a timer off at the next tick that finds its thread on the CPU, or, with 0, not at all. */
static int stack_timer_set(int timer, long ns) {
    struct itimerspec when = {{0, 0}, {0, ns}};
    return (int)syscall(SYS_timer_settime, timer, 0, &when, NULL);
}

/* Ask a thread for its stack, by its timer, and wait until it is written, or until it is clear
 * that it will not be. The answer is in `stack_signal`. One caller at a time. */
static int stack_signal_ask(const PyThreadState *thread, int tid, int timer, int stat_fd,
                            uint64_t off_cpu_ns, uint64_t patience_ns) {
    const struct timespec pause = {0, 500000};
    uint64_t began = monotonic_ns(), last = began, now, off_ns = 0;
    int asked = STACK_ASKED;
    stack_signal.thread = thread;
    __atomic_store_n(&stack_signal.tid, tid, __ATOMIC_RELEASE);
    __atomic_store_n(&stack_signal.state, STACK_ASKED, __ATOMIC_RELEASE);
    if (stack_timer_set(timer, 1) == 0)
        do {
            nanosleep(&pause, NULL);
            if (__atomic_load_n(&stack_signal.state, __ATOMIC_ACQUIRE) == STACK_WRITTEN)
                break;
            now = monotonic_ns();
            /* A thread that waits now and then is still asked: while it is on the CPU. */
            off_ns += thread_state(stat_fd) == 'R' ? 0 : now - last;
            last = now;
        } while (off_ns < off_cpu_ns && now - began < patience_ns);
    if (__atomic_compare_exchange_n(&stack_signal.state, &asked, STACK_IDLE, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        stack_timer_set(timer, 0);
        return off_ns > 0 ? STACK_WAITS : STACK_UNANSWERED;
    }
    /* It has begun to write: it will end, however busy the machine is. */
    while (__atomic_load_n(&stack_signal.state, __ATOMIC_ACQUIRE) != STACK_WRITTEN)
        nanosleep(&pause, NULL);
    return stack_signal.in_kernel && !stack_signal.seen.gil ? STACK_IN_KERNEL : STACK_ON_CPU;
}

#endif
