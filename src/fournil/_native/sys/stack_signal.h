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
    int state;         /* handed to and fro between the watch and the handler */
    /* Written by the watch before it asks. */
    int tid;
    const PyThreadState *thread;
    /* The handler's from STACK_WRITING on, the watch's from STACK_WRITTEN on. */
    StackReader reader;
    StackSeen seen;
    int readable;      /* whether anything could be read */
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
    return stack_copy(&stack_signal.reader, code, next - 2, sizeof code) &&
           (memcmp(code, "\x0f\x05", 2) == 0 || memcmp(code + 2, "\x0f\x05", 2) == 0);
#elif defined(__aarch64__)
    uint32_t code[2];
    const char *next = (const char *)context->uc_mcontext.pc;
    return stack_copy(&stack_signal.reader, code, next - 4, sizeof code) &&
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
        stack_signal.readable =
            stack_read(&stack_signal.reader, stack_signal.thread, &stack_signal.seen);
        __atomic_store_n(&stack_signal.state, STACK_WRITTEN, __ATOMIC_RELEASE);
    }
    errno = saved;
}

/* On which stack the handler is to run: SA_ONSTACK, or 0 for the one that the thread is on.
 *
 * An alternate stack may be too small for what the kernel itself puts there, which has grown with
 * the processors' registers (getauxval(AT_MINSIGSTKSZ)) beyond the 2048 bytes of MINSIGSTKSZ: the
 * kernel then ends the process. Other languages' runtimes (Go, OCaml) have threads whose own stacks
 * are the small ones, and whose alternate stacks have room; they are known by their handler of
 * SIGSEGV, which asks for those. faulthandler's is no such, having no SA_SIGINFO. */
static int stack_signal_where(void) {
    const int both = SA_SIGINFO | SA_ONSTACK;
    struct sigaction runtime;
    return sigaction(SIGSEGV, NULL, &runtime) == 0 && (runtime.sa_flags & both) == both ? SA_ONSTACK
                                                                                        : 0;
}

static int stack_signal_set(int number) {
    struct sigaction ours;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = stack_signal_handler;
    ours.sa_flags = SA_SIGINFO | SA_RESTART | stack_signal_where();
    sigemptyset(&ours.sa_mask);
    return sigaction(number, &ours, NULL) == 0;
}

/* Take a signal if nobody uses it. Returns whether it is taken. */
static int stack_signal_try(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == SIG_DFL && stack_signal_set(number);
}

/* Whether the signal's handler is still the one set above: a program may have set its own. */
static int stack_signal_is_ours(void) {
    struct sigaction now;
    return stack_signal.number != 0 && sigaction(stack_signal.number, NULL, &now) == 0 &&
           (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == stack_signal_handler &&
           ((now.sa_flags & SA_ONSTACK) == stack_signal_where() ||
            stack_signal_set(stack_signal.number));
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
}

/* Take a signal. Returns its number; 0: none is free, another watch has one, or a thread could not
 * read its own stack.
 *
 * A program that replaces itself by exec loses its handlers, and keeps the signals that are
 * pending: the default action of most would end the new program. SIGURG's is to do nothing,
 * and few programs use it. For one that does, the highest real-time signal that nobody uses
 * (programs take the lowest). */
static int stack_signal_take(void) {
    int taken = 0;
    if (stack_signal.number != 0 && stack_signal.reader.pid == getpid())
        return 0;
    stack_signal_give_back(); /* a forked child has its parent's */
    if (!stack_copy_works())
        return 0;
    stack_signal.reader.pid = getpid();
    stack_signal.reader.memory = NULL; /* the watch's alone: numbers of its own table */
    stack_signal.state = STACK_IDLE;
    if (stack_signal_try(SIGURG))
        taken = SIGURG;
    for (int number = SIGRTMAX - 1; number > SIGRTMIN && taken == 0; number--)
        if (stack_signal_try(number))
            taken = number;
    return stack_signal.number = taken;
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
static int stack_signal_ask(const PyThreadState *thread, int tid, int timer,
                            const Descriptor *stat, uint64_t off_cpu_ns, uint64_t patience_ns) {
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
            off_ns += thread_state(stat) == 'R' ? 0 : now - last;
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
    if (!stack_signal.readable)
        return STACK_UNANSWERED; /* what sandboxes the program may since have refused it */
    return stack_signal.in_kernel && !stack_signal.seen.gil ? STACK_IN_KERNEL : STACK_ON_CPU;
}

#endif
