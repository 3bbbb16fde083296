from libc.stdint cimport uint64_t

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    ctypedef struct pthread_attr_t:
        pass
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_attr_init(pthread_attr_t *)
    int pthread_attr_setstacksize(pthread_attr_t *, size_t)
    int pthread_attr_destroy(pthread_attr_t *)
    ctypedef void *(*Routine)(void *) noexcept nogil
    int pthread_create(pthread_t *, const pthread_attr_t *, Routine, void *)
    int pthread_join(pthread_t, void **)
    int pthread_setname_np(pthread_t, const char *)
    int pthread_mutex_init(pthread_mutex_t *, void *)
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    enum:
        SIG_SETMASK
    int sigfillset(sigset_t *)
    int pthread_sigmask(int, const sigset_t *, sigset_t *)

cdef extern from "<semaphore.h>" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t *, int, unsigned int)
    int sem_post(sem_t *)
    int sem_wait(sem_t *)
    int sem_trywait(sem_t *)
    int sem_destroy(sem_t *)

cdef extern from "<sys/syscall.h>" nogil:
    enum:
        SYS_futex

cdef extern from "<unistd.h>" nogil:
    int gettid()
    int usleep(unsigned int)

cdef extern from "sys/thread_state.h" nogil:
    int thread_file(int tid, const char *name)
    char thread_state(int stat_fd)
    long thread_syscall(int syscall_fd, uint64_t *argument)
    uint64_t thread_cpu_ns(int tid)

cdef extern from "sys/stack_signal.h" nogil:
    int stack_signal_choose()
    int stack_signal_install(int signal)
    int stack_signal_is_ours()
    int stack_signal_remove()
    int stack_signal_ask(int tid, long timeout_us)
