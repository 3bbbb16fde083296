from libc.string cimport strerror


cdef inline object os_error(int problem):
    """Return what a call of the kernel's that failed raises in Python."""
    return OSError(problem, strerror(problem).decode("utf-8", "replace"))
