from fournil._native.sys.threads cimport pthread_t

cdef extern from "sys/native_thread.h" nogil:
    int native_thread_start(
        pthread_t *thread, const char *name, void *(*run)(void *) noexcept nogil, void *argument
    )
