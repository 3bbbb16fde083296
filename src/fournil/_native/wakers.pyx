"""What threads are woken by, both sides without the GIL.

A semaphore where Python code sleeps: it has no descriptor that somebody could close. A pipe where
a loop does, whose ends are known by what they are: the number of an end that somebody closed may
be that of a file by now, which nothing is to be written to.
"""

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno

from fournil._native.owned cimport identify, names
from fournil._native.sys.descriptors cimport O_CLOEXEC, O_NONBLOCK, pipe2, read, write
from fournil._native.sys.descriptors cimport close as close_descriptor
from fournil._native.sys.semaphore cimport sem_destroy, sem_init, sem_post, sem_wait


cdef class Semaphore:
    def __cinit__(self):
        if sem_init(&self.semaphore, 0, 0):
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        # Who waits holds a reference: nobody does.
        sem_destroy(&self.semaphore)

    def wait(self):
        cdef int failure
        while True:
            with nogil:
                failure = errno if sem_wait(&self.semaphore) else 0
            if failure == 0:
                return
            PyErr_CheckSignals()

    def post(self):
        # Who is woken on this processor finds the GIL free.
        with nogil:
            sem_post(&self.semaphore)

    def post_with_gil(self):
        sem_post(&self.semaphore)


cdef class Pipe:
    def __cinit__(self):
        self.ends[0] = self.ends[1] = -1
        if pipe2(self.ends, O_NONBLOCK | O_CLOEXEC):
            PyErr_SetFromErrno(OSError)
        identify(self.ends[0], &self.identity)  # both ends are one file

    def __dealloc__(self):
        self.close()

    def fileno(self):
        return self.ends[0]

    def wake(self):
        cdef bint woken
        with nogil:
            woken = self.send()
        return woken

    cdef bint send(self) noexcept nogil:
        if not names(self.ends[1], &self.identity):
            return False
        while write(self.ends[1], b"w", 1) < 0:
            if errno != EINTR:
                # It is full: who listens will be woken.
                return errno == EAGAIN
        return True

    def clear(self):
        cdef char data[4096]
        if names(self.ends[0], &self.identity):
            read(self.ends[0], data, sizeof(data))

    cpdef close(self):
        cdef int end
        for index in range(2):
            end = self.ends[index]
            self.ends[index] = -1
            if names(end, &self.identity):
                close_descriptor(end)
