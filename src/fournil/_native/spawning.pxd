from fournil._native.scheduling cimport Scheduling


cdef class Spawning(Scheduling):
    # Touched only by threads that hold the GIL.
    cdef bint own_futures               # `create_future` is ours
    # Of a task or a future that is made with no others; never changed, None once closed.
    cdef dict task_options

    cdef int look_at_futures(self) except -1
    cdef object new_future(self)
    cdef object new_task(self, coroutine, dict options)
