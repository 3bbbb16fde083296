/* Starts a thread that is none of the program's. */
#ifndef FOURNIL_NATIVE_THREAD_H
#define FOURNIL_NATIVE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* Signals that the process gets are for its own threads: this one blocks all but that of a
 * recording that is cut short (map_guard.h), which would end the process. Returns an error's
 * number, or 0. */
static int native_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                               void *argument) {
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    int error = pthread_create(thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(*thread, name);
    return error;
}

#endif
