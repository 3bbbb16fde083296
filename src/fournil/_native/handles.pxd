from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Handle:
    # Touched only by threads that hold the GIL.
    cdef readonly object _callback      # None once cancelled
    cdef readonly object _args          # a tuple; None once cancelled
    cdef readonly object _context
    cdef readonly object _loop
    cdef readonly object _source_traceback
    cdef object _shown                  # the repr from before a cancel, in debug mode
    cdef readonly bint _cancelled
    cdef uint8_t kind                   # record.kinds.Kind of the step that it will be
    # For the recorder; not read when none is on.
    cdef uint32_t waker                 # the subject of the step that made it runnable
    cdef uint64_t ready_at              # the tick when it became runnable; 0: not known
    # A TimerHandle's own, which are here so that both types have one size: instances of a
    # base class and of subclasses of its size come from one list of free ones.
    cdef double deadline                # seconds of loop.time()
    cdef uint64_t sequence              # orders timers of the same moment
    cdef Py_ssize_t place               # in the heap
    cdef object timers                  # the Timers that it waits in, while it does
    cdef object __weakref__

    # Do what the handle stands for; handles of native code have their own. When it fails it
    # returns -1 with an exception set, as C functions do: Cython's own way to propagate it
    # would add frames of this package to the traceback.
    cdef int act(self) noexcept
    # What the step that it will be is recorded as: a callable.
    cdef object recorded_as(self)


cdef class TimerHandle(Handle):
    pass


cdef class Adopted(TimerHandle):
    cdef object other                   # a handle of asyncio's, for which this one stands


cdef Handle adopted(handle)


cdef class ThreadsafeHandle(Handle):
    cdef long runner                    # the thread in which it runs; 0: in none
    cdef object ended                   # an event, set at its end; None: nobody waits for that

    cdef void begin(self) noexcept
    cdef int end(self) except -1
    cdef int wait_while_it_runs(self) except -1
